"""A worker's part of the memory that all workers share: it changes when others come and go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """How many bytes of files a worker may hold at a time, and where."""

    commit_bytes: int  # inside one commit
    inline_bytes: int  # a larger file is handed over by its path
    stage_bytes: int  # read into memory before it is sent


class Allotment:
    """The share of the moment: one attribute, replaced by the main thread and read by the worker."""

    def __init__(self, share: Share) -> None:
        self.share = share
