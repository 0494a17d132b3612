from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_watch.paths import decoded, encoded, join, parent, printable, within

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


NAMES = st.binary().map(lambda raw: os.fsdecode(raw.replace(b"\0", b"")))
LOOK_ALIKES = st.lists(
    st.sampled_from(["\udcff", "\\udcff", "%FF", "%25FF", "\n", "\\n", "%0A", "\u202e", "\\u202e", "ü", "/", "+", " "])
).map("".join)


@given(NAMES | LOOK_ALIKES)
def test_whatever_a_path_holds_its_encoded_form_is_exact_and_plain(path: str) -> None:
    text = encoded(path)
    assert decoded(text) == path
    assert os.fsencode(decoded(text)) == os.fsencode(path)
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text


@given(NAMES | LOOK_ALIKES, NAMES | LOOK_ALIKES)
def test_no_two_paths_have_the_same_encoded_form(one: str, other: str) -> None:
    assert (encoded(one) == encoded(other)) is (one == other)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a/b c.txt", "a/b%20c.txt"), ("\udcff", "%FF"), ("\\udcff", "%5Cudcff"), ("%FF", "%25FF"), ("ü", "%C3%BC"),
        ("a?b#c+d&e", "a%3Fb%23c%2Bd%26e"), ("a-b_c.d~", "a-b_c.d~"), ("", ""),
    ],
)  # fmt: skip
def test_the_encoded_form_is_that_of_urls(path: str, text: str) -> None:
    assert encoded(path) == text
    assert decoded(text) == path


@pytest.mark.parametrize("text", ["%", "%f", "a%zz", "%%", "%00", "a\0", "\ud800", "%+1", "ü", "a b", "a\n"])
def test_what_is_not_percent_encoded_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match="percent-encoded"):
        decoded(text)
