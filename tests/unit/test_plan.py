"""Disk against ledger, and what a commit says of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_watch.model import Delete, Digest, Fingerprint, Known, Outcome, Snapshot, Staged
from hf_watch.paths import within
from hf_watch.rules.plan import Limits, common_directory, differences, halves, same_content, summary, unchanged

SHA256, OTHER = Digest(b"1" * 32, b"1" * 20), Digest(b"2" * 32, b"2" * 20)
FINGERPRINTS = st.builds(Fingerprint, st.integers(1, 2), st.integers(0, 1), st.integers(0, 1), st.integers(0, 1))
NAMES = st.sampled_from("abc")
KNOWN = st.builds(Known, st.just("x"), st.none() | FINGERPRINTS, st.none() | st.just(SHA256), st.integers(0, 1))
REPO_PATHS = st.lists(st.sampled_from(["a", "b", "ab", "a-"]), min_size=1, max_size=4).map("/".join)


def known(fingerprint: Fingerprint | None, digest: Digest | None) -> Known:
    return Known("x", fingerprint, digest, 1)


def staged(repo_path: str) -> Staged:
    return Staged(repo_path, 1, 1, Outcome.COMMITTED, None)


@given(st.dictionaries(NAMES, FINGERPRINTS), st.dictionaries(NAMES, KNOWN))
def test_every_name_is_changed_or_gone_or_as_the_ledger_vouches(
    present: dict[str, Fingerprint], ledger: dict[str, Known]
) -> None:
    found = differences(present, ledger)
    assert set(found.gone) == ledger.keys() - present.keys()
    for name, fingerprint in present.items():
        vouched = name in ledger and ledger[name].digest is not None and ledger[name].fingerprint == fingerprint
        assert (name in found.changed) is not vouched
    assert set(found.changed) <= present.keys()


def test_in_doubt_is_never_unchanged() -> None:
    fingerprint = Fingerprint(1, 2, 3, 4)
    assert unchanged(fingerprint, known(fingerprint, SHA256))
    assert not unchanged(fingerprint, known(fingerprint, None))
    assert not unchanged(fingerprint, known(None, SHA256))
    assert not unchanged(fingerprint, None)


def test_any_part_of_a_fingerprint_tells_a_change() -> None:
    for part in range(4):
        values = [1, 2, 3, 4]
        values[part] += 1
        assert not unchanged(Fingerprint(*values), known(Fingerprint(1, 2, 3, 4), SHA256))


def test_content_in_doubt_is_never_the_same() -> None:
    snapshot = Snapshot("a", Fingerprint(1, 2, 3, 4), SHA256, b"", 0)
    assert same_content(snapshot, known(None, SHA256))
    assert not same_content(snapshot, known(snapshot.fingerprint, OTHER))
    assert not same_content(snapshot, known(snapshot.fingerprint, None))
    assert not same_content(snapshot, None)


def test_a_commit_is_full_by_files_or_by_bytes() -> None:
    limits = Limits(max_files=3, max_bytes=10)
    assert not limits.reached(2, 9)
    assert limits.reached(3, 0)
    assert limits.reached(1, 10)


@given(st.lists(st.integers()))
def test_halves_are_the_whole_and_both_smaller(refused: list[int]) -> None:
    first, second = halves(refused)
    assert [*first, *second] == refused
    assert len(second) - len(first) in {0, 1}


@given(st.lists(REPO_PATHS, min_size=1, max_size=5))
def test_the_common_directory_holds_all_and_is_the_deepest(paths: list[str]) -> None:
    found = common_directory(paths)
    assert all(within(path, found) and path != found for path in paths)
    depth = len(found.split("/")) if found else 0
    deeper = {"/".join(path.split("/")[: depth + 1]) for path in paths}
    assert len(deeper) > 1 or any(path in deeper for path in paths)


@pytest.mark.parametrize(
    ("uploads", "deletes", "said"),
    [
        (["incoming/a"], [], "Add incoming/a"),
        ([f"incoming/{n}" for n in range(37)], [], "Add 37 files under incoming/"),
        (["a", "b/c"], [], "Add 2 files"),
        ([], ["a/b"], "Delete a/b"),
        ([], ["a/b", "a/c"], "Delete 2 files under a/"),
        (["new/a"], ["old/a"], "Add new/a, delete old/a"),
        (["a/b/1", "a/b/2"], ["a/b/3", "a/c/3"], "Add 2 files under a/b/, delete 2 files under a/"),
    ],
)
def test_a_commit_says_what_it_does(uploads: list[str], deletes: list[str], said: str) -> None:
    assert summary([*map(Delete, deletes), *map(staged, uploads)]) == said


def test_a_commit_says_it_in_one_line() -> None:
    assert summary([staged("in/two\nlines")]) == "Add in/two\\nlines"
    assert summary([staged("in\r/a"), staged("in\r/b")]) == "Add 2 files under in\\r/"
