"""How a client puts a file together from parts of xorbs: the answer of the content store, as pure data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .shards import Chunk, Segment


def reconstruct(
    segments: Sequence[Segment], chunks_of: Callable[[str], list[Chunk]], at: str, first: int, last: int | None
) -> dict[str, Any]:
    """The terms that hold the bytes `first` … `last` (inclusive; None: to the end) of a file, and where to fetch them.

    `at` is the address that a xorb's hash is appended to.
    """
    terms: list[dict[str, Any]] = []
    parts: dict[str, list[dict[str, Any]]] = {}
    offset, position = 0, 0
    for segment in segments:
        chunks = chunks_of(segment.xorb)
        wanted: list[int] = []
        for index in range(segment.first, segment.last):
            start, position = position, position + chunks[index].size_bytes
            if position > first and (last is None or start <= last):
                offset = first - start if not terms and not wanted else offset
                wanted.append(index)
        if wanted:
            run = {"start": wanted[0], "end": wanted[-1] + 1}
            size_bytes = sum(chunks[index].size_bytes for index in wanted)
            terms.append({"hash": segment.xorb, "unpacked_length": size_bytes, "range": run})
            stored = {"start": chunks[wanted[0]].start, "end": chunks[wanted[-1]].end - 1}
            parts.setdefault(segment.xorb, []).append({"range": run, "url": at + segment.xorb, "url_range": stored})
    return {"offset_into_first_range": offset, "terms": terms, "fetch_info": parts}
