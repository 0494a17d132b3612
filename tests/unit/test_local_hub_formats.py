"""The content store's formats: what is put together from a reconstruction is the part that was asked for."""

from __future__ import annotations

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_watch.local_hub.reconstruction import reconstruct
from hf_watch.local_hub.shards import Chunk, FormatError, Segment, chunks, parse_shard, unpack_chunk

xorbs = st.lists(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=5), min_size=1, max_size=3)


def chunk(plain: bytes, scheme: int = 0) -> bytes:
    grouped = b"".join(plain[position::4] for position in range(4)) if scheme == 2 else plain
    stored = lz4.frame.compress(grouped) if scheme else plain
    return b"\0" + len(stored).to_bytes(3, "little") + bytes([scheme]) + len(plain).to_bytes(3, "little") + stored


@given(xorbs, st.data())
def test_a_part_of_a_file_is_put_together_from_its_terms(plain: list[list[bytes]], data: st.DataObject) -> None:
    stored = {f"x{number}": b"".join(map(chunk, parts)) for number, parts in enumerate(plain)}
    segments, content = [], b""
    for number in data.draw(st.lists(st.integers(0, len(plain) - 1), min_size=1, max_size=4)):
        first = data.draw(st.integers(0, len(plain[number]) - 1))
        last = data.draw(st.integers(first + 1, len(plain[number])))
        part = b"".join(plain[number][first:last])
        segments.append(Segment(f"x{number}", first, last, len(part)))
        content += part
    start = data.draw(st.integers(0, len(content) - 1))
    end = data.draw(st.none() | st.integers(start, len(content) + 5))

    answer = reconstruct(segments, lambda xorb: chunks(stored[xorb]), "at/", start, end)

    got = b""
    for term in answer["terms"]:
        (place,) = [each for each in answer["fetch_info"][term["hash"]] if each["range"] == term["range"]][:1]
        assert place["url"] == f"at/{term['hash']}"
        fetched = stored[term["hash"]][place["url_range"]["start"] : place["url_range"]["end"] + 1]
        unpacked = b"".join(unpack_chunk(fetched[each.start : each.end]) for each in chunks(fetched))
        assert len(unpacked) == term["unpacked_length"]
        got += unpacked
    offset = answer["offset_into_first_range"]
    wanted = content[start:] if end is None else content[start : end + 1]
    assert got[offset : offset + len(wanted)] == wanted
    assert offset < len(unpack_first(stored, answer))


def unpack_first(stored: dict[str, bytes], answer: dict[str, object]) -> bytes:
    """The first chunk of the first term: what is skipped never reaches beyond it."""
    terms = answer["terms"]
    assert isinstance(terms, list)
    xorb = stored[terms[0]["hash"]]
    where = chunks(xorb)[terms[0]["range"]["start"]]
    return unpack_chunk(xorb[where.start : where.end])


@given(st.binary(max_size=50), st.sampled_from([0, 1, 2]))
def test_a_chunk_is_unpacked_whatever_its_scheme(plain: bytes, scheme: int) -> None:
    assert unpack_chunk(chunk(plain, scheme)) == plain


def test_a_xorb_ends_where_its_footer_begins() -> None:
    first, second = chunk(b"one"), chunk(b"three")
    spans = [Chunk(0, len(first), 3), Chunk(len(first), len(first) + len(second), 5)]
    assert chunks(first + second + b"XETBLOB and more") == spans
    with pytest.raises(FormatError):
        chunks(first + second[:-1])


@given(st.binary(max_size=300))
def test_what_is_no_shard_is_called_so(noise: bytes) -> None:
    with pytest.raises(FormatError):
        parse_shard(noise)


def test_a_chunk_that_lies_about_its_length_is_refused() -> None:
    with pytest.raises(FormatError):
        unpack_chunk(chunk(b"four")[:5] + (9).to_bytes(3, "little") + b"four")
    with pytest.raises(FormatError):
        unpack_chunk(b"\0\1\0\0\1\1\0\0x")
