"""The commands that talk to a running daemon: status, pause, resume, retry, flush, history, reload."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hf_watch.cli import console, exit_codes
from hf_watch.cli.options import AS_ENCODED, AS_JSON, exact
from hf_watch.cli.surroundings import ENV_FILE
from hf_watch.errors import ConfigError, NotRunningError
from hf_watch.logs import logs
from hf_watch.settings import places, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hf_watch.control.client import Client

WATCH_EVERY_S = 2.0

V = TypeVar("V")


def _finding_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How a command finds the daemon that it talks to."""
    for decorate in (
        click.option(
            "--state-dir",
            envvar="HF_WATCH_STATE_DIR",
            type=click.Path(path_type=Path, file_okay=False),
            help="the state directory of the daemon that is meant",
        ),
        click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            help="the configuration file of the daemon that is meant",
        ),
    ):
        command = decorate(command)
    return command


def _naming_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """SOURCE and DEST, for a daemon that was started with them."""
    return click.argument("source", required=False)(click.argument("dest", required=False)(command))


@contextmanager
def _daemon(
    state_dir: Path | None, config: Path | None, source: str | None = None, dest: str | None = None
) -> Iterator[Client]:
    """The running daemon; NotRunningError when there is none."""
    from hf_watch.control.client import connected  # noqa: PLC0415  no other command needs it

    logs.configure("warning")
    state_dirs, mistake = ([state_dir.absolute()], None) if state_dir else _sought(config, source, dest)
    with ExitStack() as opened:
        try:
            client = opened.enter_context(connected(state_dirs))
        except NotRunningError as error:
            if mistake is None:
                raise
            raise ConfigError(mistake) from error
        yield client


def _sought(config: Path | None, source: str | None, dest: str | None) -> tuple[Sequence[Path], str | None]:
    """Where to look, and the mistake that may keep the configuration file from saying so."""
    sought = sources.sought({"source": source, "dest": dest}, config, ENV_FILE)
    target = (sought.source, sought.dest) if sought.source is not None and sought.dest is not None else None
    return places.state_dirs_to_look_in(sought.state_dir, sought.config, target), sought.mistake


@click.command()
@AS_JSON
@click.option("--watch", is_flag=True, help="say it again every two seconds, until interrupted")
@_finding_options
@_naming_arguments
def status(*, as_json: bool, watch: bool, **where: Any) -> int:
    """Say how the running daemon is doing.

    Exit 0 when all is well, 1 when it is late or degraded, 3 when none runs.
    """
    with _daemon(**where) as client:
        while True:
            view = client.status()
            if as_json:
                click.echo(view.model_dump_json(indent=None if watch else 2))
            else:
                if watch:
                    click.clear()
                click.echo("\n".join(console.status_text(view)))
            if not watch:
                return 0 if view.health == "healthy" else exit_codes.FAILED
            time.sleep(WATCH_EVERY_S)


@click.command()
@click.argument("target", required=False)
@_finding_options
def pause(target: str | None, **where: Any) -> None:
    """Publish nothing of TARGET, or of any, until it is resumed.

    It is watched all the same. Kept across restarts.
    """
    with _daemon(**where) as client:
        click.echo("\n".join(console.done_text("paused", client.pause(target))))


@click.command()
@click.argument("target", required=False)
@_finding_options
def resume(target: str | None, **where: Any) -> None:
    """Publish TARGET, or all, again."""
    with _daemon(**where) as client:
        click.echo("\n".join(console.done_text("resumed", client.resume(target))))


@click.command("confirm-deletes")
@click.argument("target")
@_finding_options
def confirm_deletes(target: str, **where: Any) -> None:
    """Let the deletes of TARGET go that are held back.

    Those that were more than max_delete at once, and no others.
    """
    with _daemon(**where) as client:
        click.echo("\n".join(console.confirmed_text(client.confirm_deletes(target))))


@click.command()
@click.argument("path", required=False)
@AS_ENCODED
@_finding_options
def retry(path: str | None, *, encoded: bool, **where: Any) -> int:
    """Try PATH, or everything that was set aside, again at once.

    PATH is a file or directory: on this machine, or relative to the watched directory, as `status` shows it.
    Exit 1 when nothing there is set aside or waits.
    """
    path = exact(path) if encoded else path
    with _daemon(**where) as client:
        done = client.retry(None) if path is None else _by_path(client.retry, path, is_local=not encoded)
    is_in_vain = path is not None and not done.paths and not done.pending
    click.echo("\n".join(console.retried_text(path, done)), err=is_in_vain)
    return exit_codes.FAILED if is_in_vain else 0


def _by_path(ask: Callable[[str], V], path: str, *, is_local: bool) -> V:
    """Ask about a path of this machine or, where no watched directory has it, one relative to a watched directory."""
    from hf_watch.control.client import UnknownPathError  # noqa: PLC0415  as in _daemon

    if not is_local:
        return ask(path)
    try:
        return ask(os.path.abspath(path))  # noqa: PTH100  the name need not be UTF-8
    except UnknownPathError:
        return ask(path)


@click.command()
@click.option("--wait", is_flag=True, help="return when all that is on disk now is on the Hub")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0),
    metavar="S",
    help="wait for S seconds at the most  [default: as long as it takes]",
)
@AS_JSON
@_finding_options
@_naming_arguments
def flush(*, wait: bool, timeout_s: float | None, as_json: bool, **where: Any) -> int:
    """Publish at once what has settled.

    With --wait: exit 0 when everything that was on disk at the call is on the Hub, 1 with a list of what is not. It
    waits for a Hub that is out of reach, but ends once only a person can help: the directory stays missing, or the Hub
    refuses token or repo. With --timeout it waits for those, too.
    """
    if timeout_s is not None and not wait:
        raise click.UsageError("--timeout is for --wait")
    with _daemon(**where) as client:
        view = client.flush(wait=wait, timeout_s=timeout_s, gives_up=timeout_s is None)
    click.echo(view.model_dump_json(indent=2) if as_json else "\n".join(console.flush_text(view)))
    return 0 if view.published is not False else exit_codes.FAILED


@click.command()
@click.argument("path", required=False)
@AS_JSON
@click.option(
    "--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="print so many lines at the most"
)
@AS_ENCODED
@_finding_options
def history(path: str | None, *, as_json: bool, limit: int, encoded: bool, **where: Any) -> int:
    """List the latest commits, or how PATH was published last.

    For PATH, a file or directory as for `retry`, when and in which commit. Exit 1 when nothing is known to be
    published there.
    """
    path = exact(path) if encoded else path
    with _daemon(**where) as client:
        if path is None:
            commits = client.commits(limit=limit)
            click.echo(commits.model_dump_json(indent=2) if as_json else "\n".join(console.history_text(commits)))
            return 0
        files = _by_path(lambda each: client.files("published", each, limit=limit), path, is_local=not encoded)
    click.echo(files.model_dump_json(indent=2) if as_json else "\n".join(console.published_text(files)))
    return 0 if files.files else exit_codes.FAILED


@click.command()
@_finding_options
@_naming_arguments
def reload(**where: Any) -> int:
    """Let the running daemon read its settings again.

    Exit 1 when a mistake in them changed nothing.
    """
    with _daemon(**where) as client:
        refused = client.reload().refused
    if refused is None:
        click.echo("reloaded")
        return 0
    click.echo("\n".join(f"hf-watch: {line}" for line in refused.splitlines()), err=True)
    return exit_codes.FAILED


COMMANDS = (status, pause, resume, confirm_deletes, retry, flush, history, reload)
