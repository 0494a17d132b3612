"""The commands that publish: run, sync, push."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from typing import Any

import click

from hf_watch import console, intake, logs, setting_sources
from hf_watch.cli.options import DEFAULT_HUB, common_options, offer
from hf_watch.cli.surroundings import ENV_FILE, app_of, endpoint_of, hub_dir_of, look_for_token, read_again

MOST_PUSHED_BYTES = 5 << 30
INLINE_BYTES = 32 << 20


@click.command()
@common_options
def run(**options: Any) -> int:
    """Watch SOURCE and publish to DEST until stopped.

    Without SOURCE and DEST the targets come from the configuration file or HF_WATCH_SOURCE and HF_WATCH_DEST.
    """
    with app_of(options) as app:
        return app.run(lambda: read_again(options, app))


@click.command()
@click.option("--verify", is_flag=True, help="compare everything with the Hub, even if nothing seems to have happened")
@click.option("--confirm-deletes", is_flag=True, help="let the deletes go that an earlier pass held back")
@common_options
def sync(*, verify: bool, confirm_deletes: bool, **options: Any) -> int:
    """Publish what is there now, then exit: 0 when all of it is published, 1 when something is not."""
    with app_of(options) as app:
        return app.sync(verify=verify, confirm_deletes=confirm_deletes)


@click.command()
@click.argument("what", metavar="FILE|URL|-", shell_complete=offer("file"))
@click.argument("dest")
@click.option("--create-repo", is_flag=True, help="create the repo, private, when it is missing")
@click.option("--max-bytes", type=click.IntRange(min=0), default=MOST_PUSHED_BYTES, show_default=True,
              help="refuse more than this from a URL or standard input")  # fmt: skip
@click.option("--local", is_flag=False, flag_value=DEFAULT_HUB, metavar="[DIR]", help="push to a Hub on this machine")
@click.option("--json", "as_json", is_flag=True, help="for scripts")
def push(what: str, dest: str, *, create_repo: bool, max_bytes: int, local: str | None, as_json: bool) -> None:
    """Upload one file, a URL's content, or standard input to DEST.

    DEST ends with the path that the content shall have, or with a slash for a directory, where a FILE or URL keeps its
    name.
    """
    setting_sources.prepare_environment(ENV_FILE)
    logs.configure("warning")
    with ExitStack() as opened:
        endpoint = opened.enter_context(endpoint_of(hub_dir_of(local) if local is not None else None))
        look_for_token(required=True)
        from hf_watch.app import PushTo  # noqa: PLC0415  it imports the client

        place = PushTo(dest, endpoint, create_repo=create_repo or local is not None)
        limits = intake.IntakeLimits(INLINE_BYTES, max_bytes)
        upload = opened.enter_context(intake.taken(what, place.path, limits, sys.stdin.buffer))
        receipt = place.push(upload)
    if as_json:
        click.echo(json.dumps(console.push_json(upload, receipt)))
    else:
        click.echo(receipt.url or f"{upload.repo_path}: the repo holds this content already")


COMMANDS = (run, sync, push)
