"""Where the socket is: in the runtime directory if systemd gave one, else in the state directory.

Whoever looks for it finds it in the state directory: itself, or a link to it. Paths of sockets end after 107 bytes, so
both sides reach it through a descriptor of its directory, however deep that lies.
"""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hf_watch.errors import HfWatchError, NotRunningError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

NAME = "control.sock"
BACKLOG = 128  # status clients that come at once
OWN_DIGITS = 12  # of a hash: two state directories share one runtime directory and never a name


@contextmanager
def listening(state_dir: Path, environment: Mapping[str, str]) -> Iterator[socket.socket]:
    """Listen, for the owner of this process only; a socket that a killed daemon left is replaced.

    The caller holds the state directory's lock. OSError when there is no place for it.
    """
    place = _place(state_dir, environment)
    link = state_dir / NAME
    link.unlink(missing_ok=True)
    place.unlink(missing_ok=True)
    try:
        with _reachable(place) as short, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(short)
            os.chmod(short, 0o600)  # noqa: PTH101  nobody can connect before it listens
            if place != link:
                link.symlink_to(place)
            listener.listen(BACKLOG)
            yield listener
    finally:
        link.unlink(missing_ok=True)
        place.unlink(missing_ok=True)


def _place(state_dir: Path, environment: Mapping[str, str]) -> Path:
    runtime = environment.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if not runtime:
        return state_dir / NAME
    own = hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:OWN_DIGITS]
    return type(state_dir)(runtime) / f"{own}.sock"


@contextmanager
def _reachable(place: Path) -> Iterator[str]:
    """A path of a few bytes to the same socket, as long as the context."""
    fd = os.open(place.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{place.name}"
    finally:
        os.close(fd)


@contextmanager
def found(state_dirs: Sequence[Path]) -> Iterator[str]:
    """A path to the socket of the first of `daemons`; NotRunningError when nobody listens."""
    directory = daemons(state_dirs)[0]
    with _reachable(directory / NAME) as short:
        _knock(short, directory / NAME)
        yield short


def daemons(state_dirs: Sequence[Path]) -> Sequence[Path]:
    """The first of the state directories that has a socket; NotRunningError when none has.

    For a directory of state directories, those below it where somebody listens.
    """
    for state_dir in state_dirs:
        if _has_socket(state_dir):
            return [state_dir]
        if below := _below(state_dir):
            return below
    raise NotRunningError(f"not running: {'; '.join(map(_why_not, state_dirs))}")


def _has_socket(directory: Path) -> bool:
    return os.path.lexists(directory / NAME)


def _why_not(state_dir: Path) -> str:
    if state_dir.is_dir() and not os.access(state_dir, os.X_OK, effective_ids=True):
        return f"{state_dir} may not be looked into by this user"
    return f"there is no socket in {state_dir}"


def _knock(short: str, place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(short)
        except PermissionError as error:
            raise HfWatchError(f"{place}: only the user that the daemon runs as, or root, may connect") from error
        except OSError as error:
            raise NotRunningError(f"not running: nobody listens at {place}") from error


def _below(directory: Path) -> Sequence[Path]:
    try:
        below = sorted(each for each in directory.iterdir() if _has_socket(each))
    except OSError:
        return ()
    return [each for each in below if _is_listened_at(each)]


def _is_listened_at(state_dir: Path) -> bool:
    """Whether a daemon is there, be it one that this user may not connect to; a killed one leaves its socket."""
    try:
        with _reachable(state_dir / NAME) as short:
            _knock(short, state_dir / NAME)
    except (NotRunningError, OSError):
        return False
    except HfWatchError:
        return True
    return True
