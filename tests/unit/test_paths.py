from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_watch.paths import join, parent, printable, within

SEGMENTS = st.binary(min_size=1, max_size=4).map(lambda raw: os.fsdecode(raw.replace(b"/", b"_").replace(b"\0", b"_")))
RELATIVE = st.lists(SEGMENTS, max_size=4).map("/".join)


@given(RELATIVE, SEGMENTS)
def test_a_directory_holds_what_is_joined_to_it(directory: str, name: str) -> None:
    path = join(directory, name)
    assert parent(path) == directory
    assert within(path, directory)
    assert not within(directory, path)


def test_in_the_root_a_path_is_its_name() -> None:
    assert join("", "a") == "a"


@pytest.mark.parametrize(
    ("path", "directory", "expected"),
    [("a", "", True), ("", "", True), ("a/b", "a", True), ("a", "a", True), ("ab", "a", False), ("a", "a/b", False)],
)
def test_within(path: str, directory: str, expected: bool) -> None:
    assert within(path, directory) is expected


@given(st.text() | st.binary().map(os.fsdecode))
def test_whatever_a_name_holds_it_is_printed_on_one_line_of_utf_8(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain ü", "plain ü"), ("a\nb", "a\\nb"), ("\x1b[2J", "\\x1b[2J"), ("\udcff", "\\udcff"), ("\u202e", "\\u202e")],
)
def test_what_cannot_be_printed_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
