"""What is published at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_watch.rules.filters import PARTIAL_NAMES, Filter

SEGMENTS = st.sampled_from(["a", "b.log", ".h", ".git", "x.tmp", "\udcff", "a\nb", "[", "a\\b"])
RELATIVE = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)
PATTERNS = st.text(alphabet="ab.*?/![]-\\#~ \n\udcffü{}", max_size=8) | st.text(max_size=5)
LINES = st.lists(PATTERNS | st.sampled_from(["[z-a]", "[[:alpha:]]", "[", "!", "\\", "a", "**"]), max_size=4)


def made(include: list[str], exclude: list[str], *, hidden: bool = False) -> Filter | None:
    try:
        return Filter(include, exclude, hidden=hidden)
    except ValueError:
        return None


@given(LINES, LINES, st.booleans(), RELATIVE)
def test_any_patterns_are_refused_in_one_line_or_decide(
    include: list[str], exclude: list[str], hidden: bool, path: str
) -> None:
    wanted = made(include, exclude, hidden=hidden)
    if wanted is None:
        return
    entered = all(wanted.enters(path[:end]) for end, char in enumerate(path) if char == "/")
    assert wanted.reaches(path) is (entered and wanted.takes(path))
    if not wanted.takes(path):
        assert wanted.why_not(path, is_directory=False)
    if not wanted.enters(path):
        assert wanted.why_not(path, is_directory=True) != "not among include"


@given(RELATIVE)
def test_hidden_names_only_when_asked_for(path: str) -> None:
    if any(segment.startswith(".") for segment in path.split("/")):
        assert not Filter().reaches(path)


@given(st.sampled_from(["a", "a/b"]), st.sampled_from(PARTIAL_NAMES))
def test_partial_files_never_even_when_included(directory: str, pattern: str) -> None:
    name = pattern.replace("*", "report").replace("?", "x")
    assert not Filter(["*"], ["!*"], hidden=True).takes(f"{directory}/{name}")


@pytest.mark.parametrize(
    ("include", "exclude", "path", "expected"),
    [
        ([], [], "a/b.csv", True),
        ([], ["*.log"], "a/b.log", False),
        ([], ["*.log", "!keep.log"], "keep.log", True),
        ([], ["scratch/"], "scratch/a", False),
        ([], ["scratch/"], "scratch", True),  # a file of that name
        ([], ["/top"], "a/top", True),
        ([], ["/top"], "top", False),
        ([], ["a/**/z"], "a/b/c/z", False),
        (["*.csv"], [], "a/b.csv", True),
        (["*.csv"], [], "a/b.txt", False),
        (["data/"], [], "data/x/y", True),
        (["data/"], [], "other/x", False),
        (["*.csv"], ["old/"], "old/a.csv", False),
        ([], ["# no pattern", ""], "a", True),
        ([], ["\\#a"], "#a", False),
    ],
)
def test_patterns_mean_what_they_mean_to_git(include: list[str], exclude: list[str], path: str, expected: bool) -> None:
    assert Filter(include, exclude).reaches(path) is expected


@pytest.mark.parametrize(
    "name",
    ["a.part", "a.crdownload", "a.tmp", "a.swp", "a~", ".~lock.a.ods#", ".nfs01", "._a", ".a.csv.Xy12Zw", "Thumbs.db",
     ".git", ".cache", ".DS_Store", "desktop.ini"],
)  # fmt: skip
def test_what_tools_leave_while_they_work_is_never_published(name: str) -> None:
    for wanted in (Filter(), Filter(hidden=True)):
        assert not wanted.takes(name)
        assert not wanted.enters(name)
    assert Filter(hidden=True).why_not(name, is_directory=False) == (
        "on the built-in list of partial and temporary files"
    )


@pytest.mark.parametrize("name", ["a.tmpl", "parts", "apart", "git", "a.b", "temp", "download"])
def test_names_that_only_look_alike_are_published(name: str) -> None:
    assert Filter().takes(name)


def test_a_directory_that_is_excluded_is_not_entered() -> None:
    assert not Filter(exclude=["scratch/"]).enters("scratch")
    assert not Filter(exclude=["/a/b"]).enters("a/b")
    assert Filter(exclude=["/a/b"], include=["*.csv"]).enters("a")


def test_the_reason_names_the_rule() -> None:
    wanted = Filter(["*.csv"], ["*.log", "old/"])
    assert wanted.why_not("a.log", is_directory=False) == "excluded by '*.log'"
    assert wanted.why_not("old", is_directory=True) == "excluded by 'old/'"
    assert wanted.why_not(".a", is_directory=False) == "hidden, and hidden = false"
    assert wanted.why_not("a.txt", is_directory=False) == "not among include"


@pytest.mark.parametrize("line", ["!", "\\", "[z-a]", "a/[b-\\]", "[[:none:]]"])
def test_a_pattern_that_is_none_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="no gitignore pattern") as caught:
        Filter(exclude=["*.log", line])
    assert repr(line) in str(caught.value)


def test_a_pattern_that_can_match_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="matches nothing"):
        Filter(exclude=["a//b"])
