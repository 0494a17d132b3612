"""hf-watch as a service of systemd: put in place, checked, and taken away again.

Nothing that a person wrote is overwritten or removed unasked: the configuration, the token, drop-ins, the state.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hf_watch.errors import InstallError
from hf_watch.systemd import unit_files

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = "hf-watch.service"
TEMPLATE = "hf-watch@.service"
CHECK = "hf-watch-check"
COMMAND_S = 120.0
PEOPLE_FROM_UID = 1000
NO_HOMES = frozenset({Path("/"), Path("/nonexistent"), Path("/var/empty")})


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the files of a service lie: the system's, or one user's."""

    is_user: bool
    units: Path
    transient: Path  # units that are gone with the next boot
    runtime: Path
    config: Path
    names: tuple[str, ...]  # of the units

    @property
    def flags(self) -> tuple[str, ...]:
        """What tells systemd's tools which manager is meant."""
        return ("--user",) if self.is_user else ()


def system() -> Scope:
    """The service of the machine."""
    return Scope(
        is_user=False, units=Path("/etc/systemd/system"), transient=Path("/run/systemd/system"), runtime=Path("/run"),
        config=Path("/etc/hf-watch/hf-watch.toml"), names=(PLAIN, TEMPLATE),
    )  # fmt: skip


def user() -> Scope:
    """The service of whoever runs this."""
    home = Path.home()
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return Scope(
        is_user=True, units=config / "systemd/user", transient=runtime / "systemd/user", runtime=runtime,
        config=config / "hf-watch/hf-watch.toml", names=(PLAIN,),
    )  # fmt: skip


SYSUSERS = Path("/etc/sysusers.d/hf-watch.conf")
TOKEN = Path("/etc/hf-watch/token")
SYSTEM_STATE = ("/var/lib", "/var/cache")


def install(scope: Scope, config: Path | None) -> list[str]:
    """Write the units and what they need, and have systemd check them; the lines say what is to be done next.

    Raises InstallError, and then has changed nothing that a later call does not put right.
    """
    program = _program(scope)
    place = (config or scope.config).absolute()
    if not scope.is_user:
        _refuse_homes([place])
    _write_units(scope, str(program), None if config is None else str(place))
    if not scope.is_user:
        _write(SYSUSERS, unit_files.template("hf-watch.sysusers.conf"))
        _run("systemd-sysusers", str(SYSUSERS))
    _write_once(place, unit_files.template("hf-watch.toml"), 0o644)
    if not scope.is_user:
        _write_once(TOKEN, "", 0o600)
    _systemctl(scope, "daemon-reload")
    _verify(scope)
    return list(_next_steps(scope, place))


def _next_steps(scope: Scope, config: Path) -> Iterator[str]:
    flag = " --user" if scope.is_user else ""
    yield f"written: {', '.join(str(scope.units / name) for name in scope.names)}"
    yield f"1. say in {config} what is watched, and where it goes"
    yield "2. hf auth login" if scope.is_user else f"2. put the token into {TOKEN}, which only root may read"
    yield f"3. hf-watch service check{flag}"
    yield f"next: systemctl{flag} enable --now hf-watch"


def uninstall(scope: Scope, *, purge: bool) -> list[str]:
    """Stop the services and remove the units. `purge` takes the state, the cache, the configuration and token too."""
    for unit in _known_units(scope):
        _systemctl(scope, "disable", "--now", unit)
    for name in scope.names:
        (scope.units / name).unlink(missing_ok=True)
        _remove_drop_ins(scope.units / f"{name}.d", everything=purge)
    if not scope.is_user:
        SYSUSERS.unlink(missing_ok=True)
    _systemctl(scope, "daemon-reload")
    places = list(_kept(scope))
    if not purge:
        return [f"kept: {place}" for place in places if place.exists()]
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
    return []


def _kept(scope: Scope) -> Iterator[Path]:
    yield scope.config.parent
    if scope.is_user:
        yield Path.home() / ".local/state/hf-watch/service"
        return
    for place in SYSTEM_STATE:
        yield from sorted(Path(place).glob("hf-watch*"))


def _remove_drop_ins(directory: Path, *, everything: bool) -> None:
    """Those of ours; what an administrator wrote stays for the next install."""
    if everything:
        shutil.rmtree(directory, ignore_errors=True)
        return
    for ours in directory.glob("50-systemd-*.conf"):
        ours.unlink()
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()


def check(scope: Scope, instance: str | None, arguments: tuple[str, ...]) -> tuple[str, int]:
    """Run `check` as the service's user in its sandbox; what it printed, and its exit code."""
    unit = PLAIN if instance is None else TEMPLATE.replace("@", f"@{instance}")
    name = f"{CHECK}.service" if instance is None else f"{CHECK}@{instance}.service"
    file = scope.transient / (name if instance is None else f"{CHECK}@.service")
    output = scope.runtime / f"{CHECK}.{os.getpid()}"
    text = unit_files.check_unit(_systemctl(scope, "cat", unit), str(output), " ".join(arguments))
    _write(file, text)
    try:
        _systemctl(scope, "daemon-reload")
        started = _try("systemctl", *scope.flags, "start", name)
        code = int(_systemctl(scope, "show", "--value", "-p", "ExecMainStatus", name).strip() or 1)
        if not output.exists():
            raise InstallError(f"{name} could not be started: {started.stderr.strip()}")
        return output.read_text(errors="replace"), code if started.returncode else 0
    finally:
        file.unlink(missing_ok=True)
        output.unlink(missing_ok=True)
        _try("systemctl", *scope.flags, "reset-failed", name)
        _systemctl(scope, "daemon-reload")


def _program(scope: Scope) -> Path:
    """The command that the service is to run, where its user can reach it."""
    if not scope.is_user and os.geteuid() != 0:
        raise InstallError("only root may install a service of the system; --user installs one of your own")
    if find_spec("cysystemd") is None:
        raise InstallError(f"what speaks with systemd is missing: {sys.executable} -m pip install 'hf-watch[systemd]'")
    program = Path(sysconfig.get_path("scripts")) / "hf-watch"
    if not program.is_file():
        raise InstallError(f"{program} is missing: install hf-watch with pip, in a virtual environment in /opt")
    if not scope.is_user:
        _refuse_homes([Path(sys.prefix), Path(sys.base_prefix), Path(__file__), program])
        _refuse_unreachable(program)
    return program


def _refuse_homes(places: list[Path]) -> None:
    homes = list(_homes())
    for place in places:
        found = next((home for home in homes if place.resolve().is_relative_to(home)), None)
        if found is not None:
            raise InstallError(
                f"{place} lies in {found}, where a service has no business; for the program: /usr/bin/python3 -m venv"
                " /opt/hf-watch, install hf-watch there, and call its hf-watch"
            )


def _homes() -> Iterator[Path]:
    yield from (Path("/home"), Path("/root"))
    for entry in pwd.getpwall():
        home = Path(entry.pw_dir)
        if (entry.pw_uid == 0 or entry.pw_uid >= PEOPLE_FROM_UID) and home not in NO_HOMES:
            yield home


def _refuse_unreachable(program: Path) -> None:
    for place in (program, *program.resolve().parents):
        if not place.stat().st_mode & stat.S_IXOTH:
            raise InstallError(
                f"{place}: other users may not go there, and the service runs as one: chmod o+rx {place}"
            )


def _write_units(scope: Scope, program: str, config: str | None) -> None:
    newer = unit_files.newer(_version())
    for name in scope.names:
        text = unit_files.template(f"user/{name}" if scope.is_user else name)
        _write(scope.units / name, unit_files.rendered(text, program, config))
        for drop_in, lines in newer.items():
            _write(scope.units / f"{name}.d" / drop_in, lines)


def _version() -> int:
    """Of the systemd that is to run it."""
    return int(_run("systemctl", "--version").split()[1])


def _verify(scope: Scope) -> None:
    """What systemd finds wrong with the units; what it finds wrong with others is not ours to say."""
    for name in scope.names:
        found = _try("systemd-analyze", *scope.flags, "verify", str(scope.units / name))
        lines = [line for line in (found.stdout + found.stderr).splitlines() if "hf-watch" in line]
        if lines:
            raise InstallError("\n".join(lines))


def _known_units(scope: Scope) -> list[str]:
    """The units that are there: the plain one, and each instance that runs or is enabled."""
    listed = _systemctl(
        scope, "list-units", "--all", "--plain", "--no-legend", "hf-watch.service", "hf-watch@*.service"
    )
    files = _try("systemctl", *scope.flags, "list-unit-files", "--no-legend", "hf-watch.service", "hf-watch@*.service")
    names = {line.split()[0] for line in (listed + files.stdout).splitlines() if line.strip()}
    return sorted(names - {TEMPLATE})


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o644)


def _write_once(file: Path, text: str, mode: int) -> None:
    """A file for a person to fill in; one that is there is theirs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return
    with os.fdopen(fd, "w") as made:
        made.write(text)


def _systemctl(scope: Scope, *arguments: str) -> str:
    return _run("systemctl", *scope.flags, *arguments)


def _run(*command: str) -> str:
    done = _try(*command)
    if done.returncode != 0:
        raise InstallError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _try(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise InstallError(f"{command[0]} is missing: this needs a system that systemd runs") from error
