"""The local Hub alone: hub."""

from __future__ import annotations

from pathlib import Path

import click

from hf_watch.cli.surroundings import LOCAL_TOKEN, hub_can_be
from hf_watch.logs import logs
from hf_watch.settings import places


@click.command()
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--port", type=click.IntRange(0, 65_535), default=0, show_default=True,
              help="where to listen on loopback; 0: any free one")  # fmt: skip
def hub(directory: Path | None, port: int) -> None:
    """Run the local Hub alone, for trying out, development and tests.

    Any token may write. It is kept in DIR, by default in ~/.local/state/hf-watch/local-hub.
    """
    logs.configure("warning")
    from hf_watch.local_hub import serve  # noqa: PLC0415  it brings a web server along

    place = (directory or places.local_hub_dir()).absolute()
    with hub_can_be(place):
        serve(place, port=port, open_namespaces=True, on_ready=lambda url: _say_hub(url, place))


def _say_hub(url: str, place: Path) -> None:
    click.echo(f"{url}\nHF_ENDPOINT={url} HF_TOKEN={LOCAL_TOKEN} makes every Hub tool talk to it; kept in {place}")


COMMANDS = (hub,)
