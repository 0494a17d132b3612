"""The command line: parse arguments, print, map errors to exit codes. With `cli_daemon` the only one that prints.

The Hub's client reads its settings from the environment when it is imported, so `.env` comes first, and what needs the
client is imported inside the commands.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin

import click
from click.shell_completion import CompletionItem, get_completion_class

from hf_watch import __version__, checks, cli_daemon, console, intake, logs, places, setting_sources
from hf_watch.errors import ConfigError, HfWatchError, NotRunningError, SourceError
from hf_watch.paths import printable
from hf_watch.settings import LogLevel, Settings, TargetSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.app import App, Endpoint

EXIT_FAILED = 1
EXIT_NOT_RUNNING = 3
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h: systemd does not restart what ends with it
MOST_PUSHED_BYTES = 5 << 30
INLINE_BYTES = 32 << 20
ENV_FILE = Path(".env")
DEFAULT_HUB = ""  # `--local` without a directory
LOCAL_TOKEN = "hf_local_hub_takes_any_token"  # noqa: S105  the local Hub asks for one, whichever it is


def main() -> NoReturn:
    """The console script: every error of ours is a line or a few, and an exit code that scripts can rely on."""
    sys.exit(_code())


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
        return EXIT_CONFIG
    except NotRunningError as error:
        _complain(error)
        return EXIT_NOT_RUNNING
    except HfWatchError as error:
        _complain(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the last flush has nowhere to fail
    except click.Abort:
        pass
    return EXIT_FAILED


def _complain(error: HfWatchError) -> None:
    for line in str(error).splitlines():
        click.echo(f"hf-watch: {printable(logs.redacted(line))}", err=True)


def _target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Every setting of a target as an option, beside SOURCE and DEST."""
    for name, found in reversed(TargetSettings.model_fields.items()):
        if name not in {"source", "dest"}:
            command = _option(name, found.annotation, found.description or "")(command)
    return command


def _option(name: str, annotation: Any, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = f"--{name.replace('_', '-')}"
    if annotation is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
    if get_origin(annotation) is Literal:
        return click.option(flag, name, type=click.Choice(get_args(annotation)), help=text)
    if annotation is float:
        return click.option(flag, name, type=float, help=text)
    if get_origin(annotation) is tuple:
        return click.option(flag, name, multiple=True, metavar="PATTERN", help=f"{text}; may be repeated")
    return click.option(flag, name, help=text)


def _offer(kind: Literal["file", "dir"]) -> Callable[..., list[CompletionItem]]:
    """What the shell completes an argument with."""
    return lambda _context, _parameter, incomplete: [CompletionItem(incomplete, type=kind)]


def _common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command that reads the settings takes."""
    for decorate in (
        click.option("--log-level", type=click.Choice(get_args(LogLevel)), help="what is logged"),
        click.option(
            "--state-dir", type=click.Path(file_okay=False), help="where the ledger is kept"
        ),
        click.option(
            "--local", is_flag=False, flag_value=DEFAULT_HUB, metavar="[DIR]",
            help="publish to a Hub on this machine, kept in DIR: no account, no network",
        ),
        click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="the configuration file (TOML)"),
        _target_options,
        click.argument("dest", required=False),
        click.argument("source", required=False, shell_complete=_offer("dir")),
    ):  # fmt: skip
        command = decorate(command)
    return command


@contextmanager
def _app(options: dict[str, Any], *, needs_token: bool = True) -> Iterator[App]:
    """The settings of the command line's options, checked, and a local Hub if one was asked for."""
    config, local = options.pop("config"), options.pop("local")
    setting_sources.prepare_environment(ENV_FILE)
    loaded = setting_sources.load(options, config, ENV_FILE)
    settings = loaded.settings if local is None else loaded.settings.creating_repos()
    state_dir = places.state_dir_of(settings, loaded.config)
    hub_dir = _hub_dir(local) if local is not None else None
    places.check(settings, [state_dir, *([hub_dir] if hub_dir else [])])
    logs.configure(settings.log_level)
    with ExitStack() as opened:
        endpoint = opened.enter_context(_endpoint(hub_dir))
        _look_for_token(required=needs_token)
        from hf_watch.app import App  # noqa: PLC0415  it imports the client

        yield App(settings, state_dir, endpoint)


def _hub_dir(local: str) -> Path:
    return (Path(local) if local != DEFAULT_HUB else places.local_hub_dir()).absolute()


@contextmanager
def _endpoint(hub_dir: Path | None) -> Iterator[Endpoint]:
    """The Hub to talk to; a local one runs as long as the context."""
    if hub_dir is None:
        from huggingface_hub import constants  # noqa: PLC0415  it reads the environment, which is ready now

        from hf_watch.app import Endpoint  # noqa: PLC0415  as above

        if not constants.ENDPOINT.startswith(("http://", "https://")):
            raise ConfigError(f"HF_ENDPOINT = {constants.ENDPOINT!r}: it should begin with https:// or http://")
        yield Endpoint(constants.ENDPOINT, constants.ENDPOINT)
        return
    from hf_watch.local_hub import LocalHub  # noqa: PLC0415  it brings a web server along

    hub = LocalHub(hub_dir, open_namespaces=True)
    with ExitStack() as opened:
        with _hub_can_be(hub_dir):
            opened.enter_context(hub)
        os.environ["HF_ENDPOINT"] = hub.url
        os.environ["HF_TOKEN"] = LOCAL_TOKEN  # a real one has no business there
        from hf_watch.app import Endpoint  # noqa: PLC0415  as above

        click.echo(f"local Hub: {hub.url}, kept in {hub_dir}; each repo's files: {hub_dir}/repos", err=True)
        yield Endpoint(f"local:{hub_dir}", hub.url)


@contextmanager
def _hub_can_be(directory: Path) -> Iterator[None]:
    """Whatever a local Hub cannot have, its directory or its port, is a line."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"{directory}: no local Hub can run there ({error.strerror})") from error


def _look_for_token(*, required: bool) -> None:
    from huggingface_hub import get_token  # noqa: PLC0415  as above

    try:
        token = get_token()
    except (OSError, ValueError) as error:
        raise ConfigError(f"the place of the token cannot be read ({' '.join(str(error).split())})") from error
    logs.redact(token)
    if required and not token:
        raise ConfigError("no token: set HF_TOKEN, or HF_TOKEN_PATH to a file with one, or log in with `hf auth login`")


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(__version__, prog_name="hf-watch", message="%(prog)s %(version)s")
def cli() -> None:
    """Watch directories, and publish what settles there to Hugging Face Hub repos."""


for _command in cli_daemon.COMMANDS:
    cli.add_command(_command)


@cli.command()
@_common_options
def run(**options: Any) -> int:
    """Watch SOURCE and publish to DEST until stopped.

    Without SOURCE and DEST the targets come from the configuration file or HF_WATCH_SOURCE and HF_WATCH_DEST.
    """
    with _app(options) as app:
        return app.run(single_pass=False)


@cli.command()
@click.option("--verify", is_flag=True, help="compare everything with the Hub, even if nothing seems to have happened")
@_common_options
def sync(*, verify: bool, **options: Any) -> int:
    """Publish what is there now, then exit: 0 when all of it is published, 1 when something is not."""
    with _app(options) as app:
        return app.run(single_pass=True, verify=verify)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="for scripts")
@click.option("--offline", is_flag=True, help="do not ask the Hub what it holds already")
@_common_options
def plan(*, as_json: bool, offline: bool, **options: Any) -> None:
    """Say what a pass would upload, delete and skip, and why. Changes nothing."""
    with _app(options, needs_token=not offline) as app:
        previews, total = app.plan(ask_hub=not offline)
    if as_json:
        click.echo(json.dumps(console.plan_json(previews, total), indent=2))
    else:
        click.echo("\n".join(console.plan_text(previews, total)))
    if any(preview.problem for preview in previews):
        raise click.exceptions.Exit(EXIT_FAILED)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="for scripts")
@_common_options
def check(*, as_json: bool, **options: Any) -> None:
    """Check settings, token, permission, watch limits and file systems; say what to do about each."""
    with _app(options) as app:
        from huggingface_hub import constants  # noqa: PLC0415  as above

        place = "HF_TOKEN" if os.environ.get("HF_TOKEN") else constants.HF_TOKEN_PATH
        found = [checks.settings(len(app.settings.target)), checks.token(place), *app.check(Path(constants.HF_HOME))]
    if as_json:
        click.echo(json.dumps(console.checks_json(found), indent=2))
    else:
        click.echo("\n".join(console.checks_text(found)))
    if console.any_failed(found):
        raise click.exceptions.Exit(EXIT_FAILED)


@cli.command()
@click.argument("what", metavar="FILE|URL|-", shell_complete=_offer("file"))
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
        endpoint = opened.enter_context(_endpoint(_hub_dir(local) if local is not None else None))
        _look_for_token(required=True)
        from hf_watch.app import PushTo  # noqa: PLC0415  it imports the client

        place = PushTo(dest, endpoint, create_repo=create_repo or local is not None)
        limits = intake.IntakeLimits(INLINE_BYTES, max_bytes)
        upload = opened.enter_context(intake.taken(what, place.path, limits, sys.stdin.buffer))
        receipt = place.push(upload)
    if as_json:
        click.echo(json.dumps(console.push_json(upload, receipt)))
    else:
        click.echo(receipt.url or f"{upload.repo_path}: the repo holds this content already")


@cli.command()
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="where to listen on loopback; 0: any free one")
def hub(directory: Path | None, port: int) -> None:
    """Run the local Hub alone, for trying out, development and tests; any token may write."""
    logs.configure("warning")
    from hf_watch.local_hub import serve  # noqa: PLC0415  it brings a web server along

    place = (directory or places.local_hub_dir()).absolute()
    with _hub_can_be(place):
        serve(place, port=port, open_namespaces=True, on_ready=lambda url: _say_hub(url, place))


def _say_hub(url: str, place: Path) -> None:
    click.echo(f"{url}\nHF_ENDPOINT={url} HF_TOKEN={LOCAL_TOKEN} makes every Hub tool talk to it; kept in {place}")


@cli.command()
@click.option("--schema", is_flag=True, help="print the settings' JSON Schema instead")
@_common_options
def config(*, schema: bool, **options: Any) -> None:
    """Print the settings in force, or their JSON Schema."""
    if schema:
        click.echo(json.dumps(Settings.model_json_schema(), indent=2))
        return
    options.pop("local")
    setting_sources.prepare_environment(ENV_FILE)
    loaded = setting_sources.load(options, options.pop("config"), ENV_FILE)
    state_dir = places.state_dir_of(loaded.settings, loaded.config)
    places.check(loaded.settings, [state_dir])
    click.echo(json.dumps(console.config_json(loaded.settings, loaded.file, state_dir), indent=2))


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes hf-watch's commands: eval "$(hf-watch completion bash)"."""
    found = get_completion_class(shell)
    if found is None:
        raise ConfigError(f"nothing is known of {shell}")
    click.echo(found(cli, {}, "hf-watch", "_HF_WATCH_COMPLETE").source())
