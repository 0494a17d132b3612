"""Which targets are paused: a small file in the state directory, so that a pause outlives the process.

Not in the ledger, which may be deleted at any time: a paused target must not begin to publish because of that.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.disk.syncing import sync_directory
from hf_watch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hf_watch.model import Destination
    from hf_watch.rules.mapping import Mapping


@dataclass(frozen=True, slots=True)
class Bound:
    """What tells a target from others across restarts: its directory and where it goes."""

    source: str
    dest: str

    @classmethod
    def of(cls, source: str, destination: Destination, mapping: Mapping) -> Bound:
        """The one of a target, by what the ledger knows it by."""
        directory = os.path.abspath(source)  # noqa: PTH100  the name need not be UTF-8
        return cls(directory, f"{destination}/{mapping.prefix}" if mapping.prefix else str(destination))


@dataclass(frozen=True, slots=True)
class Pauses:
    """The file; one thread writes it."""

    file: Path

    def load(self) -> frozenset[Bound]:
        """The paused targets; ConfigError when the file cannot be understood, for nothing may go by mistake then."""
        try:
            text = self.file.read_text()
        except FileNotFoundError:
            return frozenset()
        try:
            return frozenset(Bound(str(each["source"]), str(each["dest"])) for each in json.loads(text))
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"{self.file}: not a list of paused targets; correct it, or delete it") from error

    def save(self, paused: Iterable[Bound]) -> None:
        """Replace the file, durably; OSError when that fails, and the old one stands then."""
        rows = [
            {"source": each.source, "dest": each.dest}
            for each in sorted(paused, key=lambda each: (each.source, each.dest))
        ]
        aside = self.file.with_suffix(".new")
        with aside.open("w") as out:
            json.dump(rows, out, indent=2)  # escapes what is not ASCII, lone surrogates too
            out.flush()
            os.fsync(out.fileno())
        aside.replace(self.file)
        sync_directory(str(self.file.parent))
