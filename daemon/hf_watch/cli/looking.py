"""The commands that look and change nothing: plan, check, config."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hf_watch.cli import console, exit_codes
from hf_watch.cli.options import AS_ENCODED, AS_JSON, common_options, exact
from hf_watch.cli.surroundings import ENV_FILE, app_of
from hf_watch.errors import NotRunningError
from hf_watch.inspection import checks
from hf_watch.settings import places, sources, starter
from hf_watch.settings.settings import Settings
from hf_watch.settings.variables import prepare_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hf_watch.cli.console import Turns
    from hf_watch.composition.app import App
    from hf_watch.inspection.explain import Explanation


@click.command()
@AS_JSON
@click.option("--offline", is_flag=True, help="do not ask the Hub what it holds already")
@common_options
def plan(*, as_json: bool, offline: bool, **options: Any) -> None:
    """Say what a pass would upload, delete and skip, and why. Changes nothing.

    Without a token the Hub is not asked: exit 1, with what can be told all the same.
    """
    with app_of(options, needs_token=False) as app:
        previews, total = app.plan(ask_hub=not offline)
        unasked = _why_unasked(app, offline=offline)
    if as_json:
        click.echo(json.dumps(console.plan_json(previews, total, unasked), indent=2))
    else:
        click.echo("\n".join(console.plan_text(previews, total, unasked)))
    if any(preview.problem for preview in previews) or (unasked and not offline):
        raise click.exceptions.Exit(exit_codes.FAILED)


@click.command()
@AS_JSON
@common_options
def check(*, as_json: bool, **options: Any) -> None:
    """Check settings, token, permission, watch limits and file systems; say what to do about each."""
    with app_of(options, needs_token=False) as app:
        from huggingface_hub import constants  # noqa: PLC0415  as above

        place = "HF_TOKEN" if os.environ.get("HF_TOKEN") else constants.HF_TOKEN_PATH
        found = [checks.settings(len(app.settings.target)), checks.token(place, app.no_token)]
        found += app.check(Path(constants.HF_HOME))
    if as_json:
        click.echo(json.dumps(console.checks_json(found), indent=2))
    else:
        click.echo("\n".join(console.checks_text(found)))
    if console.any_failed(found):
        raise click.exceptions.Exit(exit_codes.FAILED)


@click.command()
@click.argument("path", type=click.Path())
@AS_JSON
@click.option("--offline", is_flag=True, help="do not ask the Hub")
@AS_ENCODED
@common_options
def explain(path: str, *, as_json: bool, offline: bool, encoded: bool, **options: Any) -> None:
    """Say what is known of PATH, and when it will go or why it will not.

    Which target and rule it falls under, what the disk, the ledger, the Hub and the daemon say of it.
    Works whether a daemon runs or not; one that runs is asked for the file's turn. Without a token as `plan`.
    """
    path = exact(path) if encoded else path
    with app_of(options, needs_token=False) as app:
        found = app.explain(path, ask_hub=not offline)
        turns = _turns(app.state_dir, found)
        unasked = _why_unasked(app, offline=offline)
    if as_json:
        click.echo(json.dumps(console.explain_json(found, turns), indent=2))
    else:
        click.echo("\n".join(console.explain_text(found, turns, unasked)))
    if unasked and not offline:
        raise click.exceptions.Exit(exit_codes.FAILED)


def _why_unasked(app: App, *, offline: bool) -> str | None:
    """Why the Hub is not asked; None where it is."""
    return "--offline" if offline else app.no_token


def _turns(state_dir: Path, found: Sequence[Explanation]) -> Turns | None:
    """What the running daemon says of these paths; None when none runs."""
    from hf_watch.control.client import connected  # noqa: PLC0415  few commands need it

    try:
        with connected((state_dir,)) as client:
            return {
                (turn.target, each.path): turn
                for each in found
                for turn in client.explain(each.path).turns
                if turn.target == each.target
            }
    except NotRunningError:
        return None


@click.command()
@click.option("--example", is_flag=True, help="print a configuration file to begin with instead")
@click.option("--schema", is_flag=True, help="print the settings' JSON Schema instead")
@common_options
def config(*, schema: bool, example: bool, **options: Any) -> None:
    """Print the settings in force, or their JSON Schema, or a configuration file to begin with."""
    if example:
        click.echo("\n".join(starter.lines()))
        return
    if schema:
        click.echo(json.dumps(Settings.model_json_schema(), indent=2))
        return
    options.pop("local")
    prepare_environment(ENV_FILE)
    loaded = sources.load(options, options.pop("config"), ENV_FILE)
    state_dir = places.state_dir_of(loaded.settings, loaded.config)
    places.check(loaded.settings, {"state_dir": state_dir}, loaded.origins)
    click.echo(json.dumps(console.config_json(loaded.settings, loaded.file, state_dir), indent=2))


COMMANDS = (plan, check, explain, config)
