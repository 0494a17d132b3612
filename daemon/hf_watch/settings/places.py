"""The directories that a configuration names: where state is kept, and that none lies where it would feed itself."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from hf_watch.errors import ConfigError
from hf_watch.settings.destinations import place_of
from hf_watch.settings.origins import Origins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hf_watch.settings.settings import Settings, TargetSettings

APP_NAME = "hf-watch"
SYSTEM_STATE_DIR = Path("/var/lib/hf-watch")  # systemd's, for the system's service
RULES_VARIABLE = "KF_RULE_CACHE_DIR"  # of the library that finds credentials
SHORT_HASH = 12  # hex digits; two configurations of one user never meet by chance


def state_dir_of(settings: Settings, config: Path | None) -> Path:
    """Where the ledger and the lock are: as set, else systemd's, else one of the user's for each configuration."""
    if settings.state_dir is not None:
        return settings.state_dir.absolute()
    return _own_dir(config, [(each.source, each.dest) for each in settings.target])


def _own_dir(config: Path | None, targets: Sequence[tuple[Path, str]]) -> Path:
    own = hashlib.sha256(_identity(config, targets)).hexdigest()[:SHORT_HASH]
    return _state_root() / own


def _state_root() -> Path:
    """The directory of all state directories that are not set."""
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given) if given else platformdirs.user_state_path(APP_NAME)


def _identity(config: Path | None, targets: Sequence[tuple[Path, str]]) -> bytes:
    """What tells configurations apart: the file that the targets come from, else SOURCE and DEST."""
    if config is not None:
        return os.fsencode(_real(config))
    return b"\0".join(os.fsencode(_real(source)) + b"\0" + dest.encode() for source, dest in targets)


def _real(path: Path) -> Path:
    """Where `path` leads, as far as that can be known; Path.resolve fails on a loop of links."""
    return Path(os.path.realpath(path))


def state_dirs_to_look_in(
    state_dir: Path | None, config: Path | None, target: tuple[Path, str] | None
) -> tuple[Path, ...]:
    """Where a daemon may keep its state, the likeliest first: as it would be started here, or by systemd.

    With nothing to tell it by, the directory of all state directories of this user: any daemon there will do.
    """
    found = [] if state_dir is None else [state_dir.absolute()]
    if config is not None or target is not None:
        found.append(_own_dir(config, [target] if target is not None else []))
    return *(found or [_state_root()]), SYSTEM_STATE_DIR


def rules_dir() -> Path:
    """Where the rules that find credentials are kept compiled: as set, else systemd's, else one place of the user's."""
    if given := os.environ.get(RULES_VARIABLE):
        return Path(given)
    cache = os.environ.get("CACHE_DIRECTORY", "").split(":")[0]
    return (Path(cache) if cache else platformdirs.user_cache_path(APP_NAME)) / "rules"


def local_hub_dir() -> Path:
    """Where the local Hub keeps its repos unless it is told."""
    return platformdirs.user_state_path(APP_NAME) / "local-hub"


def check(settings: Settings, written: Mapping[str, Path], origins: Origins | None = None) -> None:
    """Refuse what the settings alone show to be wrong; ConfigError has a line for each.

    `written` are the directories that this process writes to, by what names them: none may be watched.
    """
    said = origins or Origins()
    mistakes = [
        *_bad_targets(settings.target, said),
        *_nested(settings.target, said),
        *_fed_back(settings.target, [*written.items(), *_own(settings.target, said)], said),
        *_around(settings.target, said),
        *_taken_twice(settings.target, said),
    ]
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _own(targets: tuple[TargetSettings, ...], origins: Origins) -> Iterator[tuple[str, Path]]:
    """The directories that a target's files are moved to."""
    for index, target in enumerate(targets):
        for key, place in (("archive_dir", target.archive_dir), ("quarantine_dir", target.quarantine_dir)):
            if place is not None:
                yield origins.named("target", index, key), place


def _bad_targets(targets: tuple[TargetSettings, ...], origins: Origins) -> Iterator[str]:
    for index, target in enumerate(targets):
        if _is_no_directory(target.source):
            name = origins.named("target", index, "source")
            yield f"{name} = {str(target.source)!r}: it is a file; it should be a directory"
        try:
            place_of(target.dest, "")
        except ConfigError as error:
            yield f"{origins.named('target', index, 'dest')} = {error}"


def _is_no_directory(path: Path) -> bool:
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except OSError:  # not there, or not to be seen: run waits for it
        return False


def _nested(targets: tuple[TargetSettings, ...], origins: Origins) -> Iterator[str]:
    """One directory may go to two places; a directory inside another one would be published twice unawares."""
    for index, target in enumerate(targets):
        for other_index, other in enumerate(targets):
            inner, outer = _real(target.source), _real(other.source)
            if inner != outer and inner.is_relative_to(outer):
                name = origins.named("target", index, "source")
                yield f"{name} = {str(target.source)!r}: it lies inside target[{other_index}].source"
            if other_index < index and inner == outer and target.dest == other.dest:
                yield f"{origins.named('target', index)}: the same source and dest as target[{other_index}]"


def _around(targets: tuple[TargetSettings, ...], origins: Origins) -> Iterator[str]:
    """A file is moved to the same path below another directory; one that holds the source may be the source."""
    for index, target in enumerate(targets):
        for key, place in (("archive_dir", target.archive_dir), ("quarantine_dir", target.quarantine_dir)):
            if place is not None and _real(target.source).is_relative_to(_real(place)):
                name = origins.named("target", index, key)
                yield f"{name} = {str(place)!r}: {_watched(index, origins)} lies inside it"


def _taken_twice(targets: tuple[TargetSettings, ...], origins: Origins) -> Iterator[str]:
    """What one target archives or deletes, another one of the same directory would not find any more."""
    for index, target in enumerate(targets):
        others = [other for other in targets if other is not target and _real(other.source) == _real(target.source)]
        if target.after_upload != "keep" and others:
            name = origins.named("target", index, "after_upload")
            yield f"{name} = {target.after_upload!r}: another target publishes the same directory"


def _fed_back(
    targets: tuple[TargetSettings, ...], written: Iterable[tuple[str, Path]], origins: Origins
) -> Iterator[str]:
    for name, place in written:
        for index, target in enumerate(targets):
            if _real(place).is_relative_to(_real(target.source)):
                where = f"it lies inside {_watched(index, origins)}, and what is written there would be published"
                yield f"{name} = {str(place)!r}: {where}; it should be elsewhere"


def _watched(index: int, origins: Origins) -> str:
    """The directory that a target watches, as another line names it."""
    return origins.named("target", index, "source").rpartition(": ")[2]
