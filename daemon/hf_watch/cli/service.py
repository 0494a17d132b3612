"""`hf-watch service`: the commands that make it a service of systemd."""

from __future__ import annotations

from pathlib import Path

import click

from hf_watch.cli.options import AS_JSON
from hf_watch.cli.wording import Group
from hf_watch.systemd import installation

_user = click.option("--user", "is_user", is_flag=True, help="a service of your own instead of the system's")


@click.group(cls=Group)
def service() -> None:
    """Run hf-watch as a service of systemd."""


@service.command()
@_user
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="another configuration file than hf-watch.toml in /etc/hf-watch/ or ~/.config/hf-watch/",
)
def install(*, is_user: bool, config: Path | None) -> None:
    """Write the units, a configuration to fill in, and the place for the token.

    It overwrites nothing of yours.
    """
    click.echo("\n".join(installation.install(_scope(is_user=is_user), config)))


@service.command()
@_user
@click.option("--purge", is_flag=True, help="remove the state, the cache, the configuration and the token too")
def uninstall(*, is_user: bool, purge: bool) -> None:
    """Stop the service and remove its units.

    State, configuration and token stay.
    """
    for line in installation.uninstall(_scope(is_user=is_user), purge=purge):
        click.echo(line)


@service.command()
@_user
@AS_JSON
@click.argument("instance", required=False)
def check(*, is_user: bool, as_json: bool, instance: str | None) -> None:
    """Run `hf-watch check` as the service's user, in its sandbox.

    INSTANCE is the name behind the @.
    """
    printed, code = installation.check(_scope(is_user=is_user), instance, ("--json",) if as_json else ())
    click.echo(printed, nl=False)
    if code:
        raise click.exceptions.Exit(code)


def _scope(*, is_user: bool) -> installation.Scope:
    return installation.user() if is_user else installation.system()


COMMANDS = (service,)
