"""What a command works in: the settings in force, the Hub that it talks to, a token.

The Hub's client reads its settings from the environment when it is imported, so `.env` comes first, and what needs the
client is imported inside the functions, here and in the commands.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hf_watch.cli.options import DEFAULT_HUB
from hf_watch.errors import ConfigError, SourceError
from hf_watch.logs import logs
from hf_watch.settings import places, sources
from hf_watch.settings.variables import prepare_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hf_watch.composition.app import App
    from hf_watch.composition.composer import Endpoint
    from hf_watch.settings.settings import Settings

ENV_FILE = Path(".env")
NO_TOKEN = "no token: set HF_TOKEN, or HF_TOKEN_PATH to a file with one, or log in with `hf auth login`"  # noqa: S105  none
CLIENT_CACHE = "client"  # what the client remembers of a local Hub, in its directory
LOCAL_TOKEN = "hf_local_hub_takes_any_token"  # noqa: S105  the local Hub asks for one, whichever it is


@contextmanager
def app_of(options: dict[str, Any], *, needs_token: bool = True) -> Iterator[App]:
    """The settings of the command line's options, checked, and a local Hub if one was asked for."""
    prepare_environment(ENV_FILE)
    settings, state_dir = _read(options)
    hub_dir = _hub_dir(options)
    logs.configure(settings.log_level)
    with ExitStack() as opened:
        endpoint = opened.enter_context(endpoint_of(hub_dir))
        no_token = why_no_token()
        if no_token is not None and needs_token:
            raise ConfigError(no_token)
        from hf_watch.composition.app import App  # noqa: PLC0415  it imports the client

        yield App(settings, state_dir, endpoint, no_token)


def read_again(options: dict[str, Any], app: App) -> App:
    """The same with what the settings say now; ConfigError when they are wrong, and then nothing has changed."""
    settings, _ = _read(options)
    look_for_token()
    logs.set_level(settings.log_level)
    return replace(app, settings=settings)


def _read(options: dict[str, Any]) -> tuple[Settings, Path]:
    """The settings of the command line's options and whatever else says something, checked; the state directory."""
    hub_dir = _hub_dir(options)
    given = {name: value for name, value in options.items() if name not in {"config", "local"}}
    loaded = sources.load(given, options["config"], ENV_FILE)
    settings = loaded.settings if hub_dir is None else loaded.settings.creating_repos()
    state_dir = places.state_dir_of(settings, loaded.config)
    written = {"state_dir": state_dir} | ({"--local": hub_dir} if hub_dir else {})
    places.check(settings, written, loaded.origins)
    return settings, state_dir


def _hub_dir(options: dict[str, Any]) -> Path | None:
    return None if options["local"] is None else hub_dir_of(options["local"])


def hub_dir_of(local: str) -> Path:
    return (Path(local) if local != DEFAULT_HUB else places.local_hub_dir()).absolute()


@contextmanager
def endpoint_of(hub_dir: Path | None) -> Iterator[Endpoint]:
    """The Hub to talk to; a local one runs as long as the context."""
    if hub_dir is None:
        from huggingface_hub import constants  # noqa: PLC0415  it reads the environment, which is ready now

        from hf_watch.composition.composer import Endpoint  # noqa: PLC0415  as above

        if not constants.ENDPOINT.startswith(("http://", "https://")):
            raise ConfigError(f"HF_ENDPOINT = {constants.ENDPOINT!r}: it should begin with https:// or http://")
        yield Endpoint(constants.ENDPOINT, constants.ENDPOINT)
        return
    from hf_watch.local_hub import LocalHub  # noqa: PLC0415  it brings a web server along

    hub = LocalHub(hub_dir, open_namespaces=True)
    with ExitStack() as opened:
        with hub_can_be(hub_dir):
            opened.enter_context(hub)
        os.environ["HF_ENDPOINT"] = hub.url
        os.environ["HF_TOKEN"] = LOCAL_TOKEN  # a real one has no business there
        os.environ["HF_XET_CACHE"] = str(
            hub_dir / CLIENT_CACHE
        )  # goes with the Hub; its port may be another one's next
        from hf_watch.composition.composer import Endpoint  # noqa: PLC0415  as above

        click.echo(f"local Hub: {hub.url}, kept in {hub_dir}; each repo's files: {hub_dir}/repos", err=True)
        yield Endpoint.local(hub_dir, hub.url)


@contextmanager
def hub_can_be(directory: Path) -> Iterator[None]:
    """Whatever a local Hub cannot have, its directory or its port, is a line."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"{directory}: no local Hub can run there ({error.strerror})") from error


def look_for_token() -> None:
    """ConfigError when there is none."""
    if (reason := why_no_token()) is not None:
        raise ConfigError(reason)


def why_no_token() -> str | None:
    """None where there is a token, which no log shows from now on."""
    from huggingface_hub import get_token  # noqa: PLC0415  as above

    try:
        token = get_token()
    except (OSError, ValueError) as error:
        return f"the place of the token cannot be read ({' '.join(str(error).split())})"
    logs.redact(token)
    return None if token else NO_TOKEN
