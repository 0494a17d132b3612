"""Credentials in what is about to be published: found by the token patterns of their providers, kept by Kingfisher.

No guesses by entropy, and no network: the rules come with the library, and are compiled once for each version of it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from kingfisher_sdk import Scanner

SCANNED_BYTES = 1 << 20
BINARY_BYTES = 8_000  # a NUL among the first ones: binary, as git has it
LOAD_S = 120.0  # compiling takes three seconds once, loading a third of one; a busy machine is slower


class Credentials:
    """Looks into texts, from any thread. The rules take 50 MB from the first text on; `cache` keeps them compiled."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._loading = threading.Lock()
        self._scanner: Scanner | None = None

    def rule(self, content: bytes) -> str | None:
        """The name of the rule that finds a credential in the first MiB of a text; None for others, and for no text."""
        if b"\0" in content[:BINARY_BYTES]:
            return None
        found = [each.rule_id for each in self._loaded().scan(content[:SCANNED_BYTES]) if each.visible]
        rule = min(found, default=None)  # what is not visible only helps to find others
        return None if rule is None else rule.partition(".")[2] or rule

    def _loaded(self) -> Scanner:
        with self._loading:
            if self._scanner is None:
                from kingfisher_sdk import Rules, Scanner  # noqa: PLC0415  11 MB that not everybody needs

                self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._scanner = Scanner(Rules(cache_dir=self._cache), base64=False)
            return self._scanner
