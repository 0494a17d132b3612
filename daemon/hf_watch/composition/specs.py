"""What the settings come to: which targets go to which destination, and within which bounds."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.afterwards.hooks import HookSpec
from hf_watch.composition.assembly import DestinationSpec
from hf_watch.rules.filters import NOTHING, Filter, Sizes
from hf_watch.rules.mapping import Mapping
from hf_watch.rules.pace import CommitSize
from hf_watch.rules.plan import most_deletes
from hf_watch.settings.destinations import Place, place_of
from hf_watch.settings.values import quiet_of
from hf_watch.targets.spec import TargetSpec
from hf_watch.threads.allotment import Share

if TYPE_CHECKING:
    from pathlib import Path

    from hf_watch.model import Destination
    from hf_watch.settings.settings import HookSettings, Settings, TargetSettings

    Targets = list[tuple[TargetSettings, TargetSpec]]  # of one destination

STAGED_SHARE = 4  # of a destination's memory: the client holds three to four times of what it sends


def destinations(settings: Settings, endpoint: str) -> dict[Destination, Targets]:
    """The targets by destination: those of one branch share a worker, and so their commits."""
    found: dict[Destination, Targets] = {}
    for name, target in settings.named_targets():
        place = place_of(target.dest, endpoint)
        found.setdefault(place.destination, []).append((target, _target_spec(name, target, place)))
    return found


@dataclass(frozen=True, slots=True)
class SharedPlace:
    """Targets whose files of one name go to one path of one branch."""

    names: tuple[str, ...]
    dest: str

    @property
    def what_follows(self) -> str:
        """What becomes of files that have the same name."""
        return "files of one path below them clash: they are set aside, or the newest one goes (on_clash)"


def shared_places(found: dict[Destination, Targets]) -> list[SharedPlace]:
    """Where several targets meet; other names than the plain ones may meet all the same, which is seen then."""
    sharers: dict[tuple[Destination, Mapping], list[str]] = {}
    for destination, targets in found.items():
        for _, spec in targets:
            if not spec.mapping.keeps_apart:
                alike = Mapping(spec.mapping.prefix, spec.mapping.template)
                sharers.setdefault((destination, alike), []).append(spec.name)
    return [
        SharedPlace(tuple(names), f"{destination}/{mapping.prefix}".rstrip("/"))
        for (destination, mapping), names in sharers.items()
        if len(names) > 1
    ]


def share(settings: Settings, sharers: int) -> Share:
    """The part of the memory that each of so many destinations has."""
    part = settings.memory.budget_bytes // sharers
    return Share(min(settings.commit.max_bytes, part), min(settings.memory.inline_bytes, part), part // STAGED_SHARE)


def commit_size(settings: Settings) -> CommitSize:
    """How many files a commit may take, from the first one on."""
    usual = settings.commit.max_files
    return CommitSize(usual, max(usual, settings.commit.max_files_backlog), usual)


def destination_spec(
    settings: Settings, destination: Destination, targets: Targets, *, single_pass: bool, verify: bool
) -> DestinationSpec:
    """What one destination's worker is told."""
    return DestinationSpec(
        destination=destination,
        targets=[spec for _, spec in targets],
        size=commit_size(settings),
        create_repo=any(each.create_repo for each, _ in targets),
        private=all(each.private for each, _ in targets),
        verify=verify,
        single_pass=single_pass,
    )


def _target_spec(name: str, target: TargetSettings, place: Place) -> TargetSpec:
    return TargetSpec(
        name=name,
        source=str(target.source),
        mapping=Mapping(place.prefix, target.path_in_repo, name, socket.gethostname()),
        wanted=Filter(target.include, target.exclude, hidden=target.hidden),
        quiet=quiet_of(target.quiet_s),
        max_wait_s=target.max_wait_s,
        publish_open=target.publish_open,
        rescan_s=target.rescan_s,
        poll_s=target.poll_s,
        on_delete=target.on_delete,
        group=target.group,
        ready_marker=target.ready_marker,
        max_delete=most_deletes(target.max_delete),
        root_marker=target.root_marker,
        after_upload=target.after_upload,
        archive_dir=_absolute(target.archive_dir),
        remove_empty_dirs=target.remove_empty_dirs,
        quarantine_dir=_absolute(target.quarantine_dir),
        receipts=target.receipts,
        on_clash=target.on_clash,
        sizes=Sizes(target.min_size, target.max_size),
        allow_public=target.allow_public,
        secrets=target.secrets,
        symlinks=target.symlinks,
        secrets_allow=Filter(target.secrets_allow, hidden=True) if target.secrets_allow else NOTHING,
    )


def hooks(settings: HookSettings) -> HookSpec:
    """What is told to whom."""
    commands = {
        "published": settings.on_published, "quarantined": settings.on_quarantined, "degraded": settings.on_degraded,
    }  # fmt: skip
    return HookSpec(commands, settings.webhook, settings.timeout_s)


def _absolute(directory: Path | None) -> str:
    return "" if directory is None else str(directory.absolute())
