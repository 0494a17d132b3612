"""The commands that publish: run, sync, push."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from hf_watch.cli import console
from hf_watch.cli.options import AS_JSON, DEFAULT_HUB, HUB_PLACE, common_options, offer
from hf_watch.cli.surroundings import ENV_FILE, app_of, endpoint_of, hub_dir_of, look_for_token, read_again
from hf_watch.logs import logs
from hf_watch.paths import printable
from hf_watch.push import intake
from hf_watch.settings.variables import prepare_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hf_watch.cli.live import PushPicture
    from hf_watch.composition.app import App
    from hf_watch.model import Destination, Upload

MOST_PUSHED_BYTES = 5 << 30
INLINE_BYTES = 32 << 20
TERMINALS_OF_LINES = {"", "dumb", "unknown"}  # they can do no more than the next line
PLAIN = click.option("--plain", is_flag=True, help="log lines only, no live view, in a terminal too")


@click.command()
@PLAIN
@common_options
def run(*, plain: bool, **options: Any) -> int:
    """Watch SOURCE and publish to DEST until stopped.

    Without SOURCE and DEST the targets come from the configuration file or HF_WATCH_SOURCE and HF_WATCH_DEST.
    """
    with app_of(options) as app:
        return _in_sight(app, plain=plain, single_pass=False).run(lambda: read_again(options, app))


@click.command()
@click.option("--verify", is_flag=True, help="compare everything with the Hub, even if nothing seems to have happened")
@click.option("--confirm-deletes", is_flag=True, help="let the deletes go that an earlier pass held back")
@PLAIN
@common_options
def sync(*, verify: bool, confirm_deletes: bool, plain: bool, **options: Any) -> int:
    """Publish what is there now, then exit.

    Exit 0 when all of it is published, 1 when something is not.
    """
    with app_of(options) as app:
        seen = _in_sight(app, plain=plain, single_pass=True)
        return seen.sync(verify=verify, confirm_deletes=confirm_deletes)


def _in_sight(app: App, *, plain: bool, single_pass: bool) -> App:
    """The same, shown in the terminal while it runs, if there is one."""
    if not _is_picture_wanted(plain=plain):
        return app
    from hf_watch.cli import live  # noqa: PLC0415  a daemon without a terminal is smaller without it

    compose = live.PassPicture if single_pass else live.DaemonPicture
    return replace(app, sight=lambda daemon: live.painted(compose(daemon), app.settings.log_level))


def _is_picture_wanted(*, plain: bool) -> bool:
    """Whether there is a terminal on which the cursor can be moved, and somebody who wants it."""
    return not plain and sys.stderr.isatty() and os.environ.get("TERM", "") not in TERMINALS_OF_LINES


@click.command()
@click.argument("what", metavar="FILE|URL|-", shell_complete=offer("file"))
@click.argument("dest")
@click.option("--create-repo", is_flag=True, help="create the repo, private, when it is missing")
@click.option("--max-bytes", type=click.IntRange(min=0), default=MOST_PUSHED_BYTES, show_default=True,
              help="refuse more than this from a URL or standard input")  # fmt: skip
@click.option("--local", is_flag=False, flag_value=DEFAULT_HUB, metavar="[DIR]",
              help=f"push to a Hub on this machine, kept in DIR or {HUB_PLACE}")  # fmt: skip
@AS_JSON
@PLAIN
def push(
    what: str, dest: str, *, create_repo: bool, max_bytes: int, local: str | None, as_json: bool, plain: bool
) -> None:
    """Upload one file, a URL's content, or standard input to DEST.

    DEST ends with the path that the content shall have, or with a slash for a directory, where a FILE or URL keeps its
    name.
    """
    prepare_environment(ENV_FILE)
    logs.configure("warning")
    hub_dir = hub_dir_of(local) if local is not None else None
    with ExitStack() as opened:
        endpoint = opened.enter_context(endpoint_of(hub_dir))
        look_for_token()
        from hf_watch.composition.app import PushTo  # noqa: PLC0415  it imports the client

        place = PushTo(dest, endpoint, create_repo=create_repo or hub_dir is not None)
        limits = intake.IntakeLimits(INLINE_BYTES, max_bytes)
        with _push_in_sight(what, plain=plain) as seen:
            upload = opened.enter_context(intake.taken(what, place.path, limits, sys.stdin.buffer, seen.takes))
            seen.sends(upload)
            receipt = place.push(upload)
    file = None if hub_dir is None else _plain_file(hub_dir, place.destination, upload.repo_path)
    if as_json:
        click.echo(json.dumps(console.push_json(upload, receipt, file)))
    else:
        click.echo(console.push_text(upload, receipt, file))


def _plain_file(hub_dir: Path, destination: Destination, repo_path: str) -> Path:
    """Where the local Hub keeps what was pushed to it; its address is gone when the command ends."""
    from hf_watch.local_hub import KINDS, plain_files  # noqa: PLC0415  it brings a web server along

    kind = KINDS[destination.repo_type]
    return plain_files(hub_dir, kind, destination.repo_id, destination.revision) / repo_path


class _Unseen:
    """Nobody looks."""

    def takes(self, done: int, total: int | None) -> None: ...

    def sends(self, upload: Upload) -> None: ...


@contextmanager
def _push_in_sight(what: str, *, plain: bool) -> Iterator[_Unseen | PushPicture]:
    """Who is told how far the upload is: the picture in the terminal, if there is one."""
    if not _is_picture_wanted(plain=plain):
        yield _Unseen()
        return
    from hf_watch.cli import live  # noqa: PLC0415  as above

    picture = live.PushPicture(printable(what))
    with live.painted(picture, "warning"):
        yield picture


COMMANDS = (run, sync, push)
