"""The directories of a tree that have no watch: which are polled instead, which are tried again, and when."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hf_watch.watches.tree import Unwatched

if TYPE_CHECKING:
    from hf_watch.watches.tree import Node, Tree

MOST_POLLED = 1_000  # more places than these are one: the root


class UnwatchedPlaces:
    """Those of one tree. What the kernel is blind for is polled only, what is forbidden is only tried again."""

    def __init__(self, tree: Tree, retry_s: float) -> None:
        self.polled: tuple[str, ...] = ()  # replaced, never changed: other threads read it
        self.is_limited = False  # some have no watch because none was left
        self.retry_at: float | None = None
        self._tree = tree
        self._retry_s = retry_s
        self._polled: dict[Node, None] = {}
        self._refused: dict[Node, None] = {}  # to be tried again
        self._is_full = False  # as far as this round of trying again has shown
        self._is_stale = False  # what is polled is to be put together anew

    def add(self, node: Node, why: Unwatched, now: float) -> None:
        """It has no watch."""
        node.wd = why
        if why is not Unwatched.FORBIDDEN:
            self._polled[node] = None
            self._is_stale = True
        if why is not Unwatched.BLIND:
            self._refused[node] = None
            self.retry_at = now + self._retry_s if self.retry_at is None else self.retry_at

    def forget(self, node: Node) -> None:
        """It need not be polled any more, nor be tried again."""
        self._refused.pop(node, None)
        if node in self._polled:
            del self._polled[node]
            self._is_stale = True

    def moved(self) -> None:
        """What is above one of them may have another place now, or none."""
        self._is_stale |= bool(self._polled)

    def begin_round(self, now: float) -> list[Node]:
        """Those that are to be tried again."""
        self.retry_at = now + self._retry_s if self._refused else None
        self._is_full = False
        return list(self._refused)

    def is_worth_a_try(self, node: Node) -> bool:
        """Not if it went meanwhile, or if a watch was asked for in vain already in this round."""
        return node in self._refused and not (node.wd == Unwatched.FULL and self._is_full)

    def tried(self, node: Node) -> None:
        """It was tried again; where it still has no watch because none was left, the others get none either."""
        self._is_full |= node in self._refused and node.wd == Unwatched.FULL

    def renew_polled(self) -> None:
        """Put together what has to be scanned often instead."""
        if not self._is_stale:
            return
        self._is_stale = False
        self.is_limited = any(node.wd == Unwatched.FULL for node in self._polled)
        if len(self._polled) > MOST_POLLED:
            self.polled = ("",)
            return
        paths = (self._tree.path(node) for node in self._polled)
        self.polled = tuple(sorted(os.fsdecode(path) for path in paths if path is not None))
