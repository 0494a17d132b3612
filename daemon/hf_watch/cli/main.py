"""Where the command line comes together: every command, and each error as a line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from typing import NoReturn, TextIO

import click
from click.shell_completion import get_completion_class

from hf_watch.cli import daemon, exit_codes, local_hub, looking, publishing, service
from hf_watch.cli.wording import Group
from hf_watch.errors import ConfigError, HfWatchError, NotRunningError
from hf_watch.logs import logs
from hf_watch.paths import printable
from hf_watch.version import __version__

GONE = {errno.EPIPE, errno.EIO}  # the reader of a pipe, a terminal


def main() -> NoReturn:
    """The console script: every error of ours is a line or a few, and an exit code that scripts can rely on."""
    code = _code()
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it was closed before the start
        _let_go_of(stream)
    sys.exit(code)


def _code() -> int:
    try:
        return int(cli.main(prog_name="hf-watch", standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ConfigError as error:
        _complain(error)
        return exit_codes.CONFIG
    except NotRunningError as error:
        _complain(error)
        return exit_codes.NOT_RUNNING
    except HfWatchError as error:
        _complain(error)
    except OSError as error:
        if error.errno not in GONE:
            raise
    except click.Abort:
        pass
    return exit_codes.FAILED


def _let_go_of(stream: TextIO) -> None:
    """Where whoever read it has gone, what is left goes nowhere: the interpreter's last flush would fail for it."""
    try:
        stream.flush()
    except OSError as error:
        if error.errno in GONE:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _complain(error: HfWatchError) -> None:
    for line in str(error).splitlines():
        click.echo(f"hf-watch: {printable(logs.redacted(line))}", err=True)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes hf-watch's commands in a shell.

    eval "$(hf-watch completion bash)"
    """
    found = get_completion_class(shell)
    if found is None:
        raise ConfigError(f"nothing is known of {shell}")
    click.echo(found(cli, {}, "hf-watch", "_HF_WATCH_COMPLETE").source())


COMMANDS = (
    *publishing.COMMANDS,
    *looking.COMMANDS,
    *daemon.COMMANDS,
    *local_hub.COMMANDS,
    *service.COMMANDS,
    completion,
)


@click.group(
    cls=Group, commands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True
)
@click.version_option(__version__, prog_name="hf-watch", message="%(prog)s %(version)s")
def cli() -> None:
    """Watch directories, and publish what settles there to Hugging Face Hub repos."""
