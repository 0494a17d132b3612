"""Where each setting came from, and how a mistake in it is named: by what its user wrote, and where. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hf_watch.paths import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """What said something: a file, which has keys, or an option or variable, whose name says which setting it is."""

    name: str
    has_keys: bool = False

    def of(self, loc: Sequence[str | int]) -> str:
        """The setting as its user knows it."""
        return f"{self.name}: {key_text(loc)}" if self.has_keys else self.name


@dataclass(slots=True)
class Origins:
    """The origins by the paths of what they said; what nobody said has its key for a name."""

    said: dict[Keys, Origin] = field(default_factory=dict)

    def named(self, *loc: str | int) -> str:
        """One setting, as `hf-watch.toml: target[0].dest`, `HF_WATCH_DEST` or `DEST`."""
        path = tuple(map(str, loc))
        nearest = next((self.said[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.said), None)
        return key_text(loc) if nearest is None else nearest.of(loc)

    def named_together(self, loc: Sequence[str | int], text: str) -> str:
        """A table of settings, by those of its settings that `text` mentions; else as `named`."""
        path = tuple(map(str, loc))
        inside = {each[-1]: origin for each, origin in self.said.items() if each[:-1] == path}
        words = re.findall(r"\w+", text)
        meant = {word: inside[word] for word in words if word in inside}
        if all(origin.has_keys for origin in meant.values()):
            return self.named(*loc)
        return ", ".join(origin.of((*loc, word)) for word, origin in meant.items())


def key_text(loc: Sequence[str | int]) -> str:
    """A key as it would be written in a program: `target[0].dest`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{printable(part)}" for part in loc)
    return text.removeprefix(".")
