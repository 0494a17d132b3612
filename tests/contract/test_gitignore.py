"""What an ignore file leaves out is what git leaves out, asked of git itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_watch.disk.ignore_files import NAME, IgnoreFiles
from hf_watch.rules.filters import Filter

NAMES = ["a", "b", "ab", "a.b", "c d", "!x", "#y", "b ", "[z]", "**", "a*", "ü"]
# Not among them: `a**` with a slash behind it and brackets that are never closed, which git reads in ways of its own.
ATOMS = [
    "a", "b", "ab", "a.b", "*", "?", "**", "***", "a*", "*b", "*.b", "a?", "[ab]", "[!a]", "[^b]", "[a-c]*", "[]a]",
    "[[:alpha:]]", "[[:digit:]a]", "c d", "c\\ d", "b\\ ", "\\!x", "\\#y", "#y", "!x", "[z]", "\\[z\\]", "\\*\\*",
    "\\a", "ü",
]  # fmt: skip
TREES = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4), min_size=1, max_size=12)
PATTERNS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "!"]),
        st.sampled_from(["", "", "", "/"]),
        st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3).map("/".join),
        st.sampled_from(["", "", "/"]),
        st.sampled_from(["", "", "", " ", "\r"]),
    ),
)
FILES = st.lists(st.lists(PATTERNS, min_size=1, max_size=4), max_size=4)


def planted(root: Path, tree: list[list[str]]) -> tuple[list[str], list[str]]:
    """Make files at these places; those that there is room for, and the directories."""
    for segments in tree:
        place = root.joinpath(*segments)
        if not any(above.is_file() for above in [place, *place.parents]) and not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    found = sorted(place for place in root.rglob("*") if ".git" not in place.relative_to(root).parts)
    return (
        [str(place.relative_to(root)) for place in found if place.is_file()],
        [str(place.relative_to(root)) for place in found if place.is_dir()],
    )


def ignored_by_git(root: Path, files: list[str]) -> set[str]:
    asked = "\0".join(files).encode()
    answer = subprocess.run(
        ["git", "-C", root, "check-ignore", "-z", "--stdin", "--no-index"],
        input=asked,
        capture_output=True,
        check=False,
    )
    assert answer.returncode in {0, 1}, answer.stderr
    return {os.fsdecode(path) for path in answer.stdout.split(b"\0") if path}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES, FILES, st.randoms(use_true_random=False))
def test_it_leaves_out_what_git_leaves_out(tree: list[list[str]], ignores: list[list[str]], random: object) -> None:
    with TemporaryDirectory() as place:
        root = Path(place)
        subprocess.run(["git", "init", "-q", place], check=True)
        files, directories = planted(root, tree)
        at = ["", *directories]
        for lines in ignores:
            directory = at.pop(random.randrange(len(at))) if at else ""  # type: ignore[attr-defined]
            for name in (".gitignore", NAME):
                (root / directory / name).write_text("\n".join(lines) + "\n")
        wanted = IgnoreFiles(place, Filter())
        published = {file for file in files if Filter().reaches(file)}
        assert {file for file in published if not wanted.reaches(file)} == ignored_by_git(root, files) & published
