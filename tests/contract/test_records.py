"""What the ledger says of files and commits to those who only read it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_watch.ledger.batches import KEPT_COMMITS
from hf_watch.ledger.ledger import Ledger
from hf_watch.ledger.records import Held, Made, looked_into
from hf_watch.ledger.rows import Intended, Recorded, Root
from hf_watch.model import Destination, Digest, Fingerprint
from hf_watch.paths import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DESTINATION = Destination("https://hub.example", "dataset", "acme/drop", "main")
AT = (DESTINATION, "/drop", "in")
ONE, OTHER = (Digest(letter * 32, letter * 20) for letter in (b"a", b"b"))


@dataclass
class Book:
    """A ledger and the wall clock it is written by."""

    file: Path
    ledger: Ledger
    root: Root
    now_s: float = 1_000.0

    def commit(self, name: str, contents: dict[str, Digest | None], root: Root | None = None) -> None:
        """Publish, and delete what has no content."""
        root = root or self.root
        self.intend(name, contents, root)
        self.record({path: digest for path, digest in contents.items() if digest is not None}, root)
        self.ledger.files.record(root, [], [path for path, digest in contents.items() if digest is None])
        self.ledger.batches.recorded(name, name)

    def intend(self, name: str, contents: dict[str, Digest | None], root: Root | None = None) -> None:
        root = root or self.root
        intended = [Intended(root, path, f"in/{path}", digest, 1) for path, digest in contents.items()]
        self.ledger.batches.intend(name, root.destination_id, intended, 3)

    def record(self, contents: dict[str, Digest], root: Root | None = None) -> None:
        """The Hub is seen to hold so much."""
        fingerprint = Fingerprint(1, 5, 3, 4)
        self.ledger.files.record(
            root or self.root,
            [
                Recorded(path, "in/" + path.encode("utf-8", "replace").decode(), fingerprint, digest, 1)
                for path, digest in contents.items()
            ],
        )

    def held(self, below: str = "") -> Sequence[Held]:
        with looked_into(self.file) as records:
            return records.held(*AT, within=below, limit=1_000)

    def made(self, path: str) -> Made | None:
        """The commit that put a path there."""
        [found] = self.held(path)
        return found.made


@pytest.fixture(name="book")
def _book(tmp_path: Path) -> Iterator[Book]:
    file = tmp_path / "ledger.sqlite3"
    with Ledger(file, wall_clock=lambda: book.now_s) as ledger:
        book = Book(file, ledger, ledger.roots.of(DESTINATION, "/drop", "in"))
        yield book


def test_a_file_names_the_commit_that_put_it_there_last(book: Book) -> None:
    book.commit("first", {"a": ONE, "d/b": ONE})
    book.now_s = 2_000.0
    book.commit("second", {"d/b": OTHER})
    assert book.held() == [
        Held("a", "in/a", 5, ONE.sha256, Made("first", 1_000.0, 2, 3)),
        Held("d/b", "in/d/b", 5, OTHER.sha256, Made("second", 2_000.0, 1, 3)),
    ]


def test_a_touch_keeps_the_commit_and_another_content_that_the_hub_had_does_not(book: Book) -> None:
    book.commit("first", {"a": ONE, "b": ONE})
    book.record({"a": ONE, "b": OTHER})
    assert book.made("a") == Made("first", 1_000.0, 2, 3)
    assert book.made("b") is None


def test_a_commit_whose_answer_was_lost_is_named_once_it_is_found(book: Book) -> None:
    book.commit("first", {"a": ONE})
    book.intend("second", {"a": OTHER})
    assert book.held() == [], "it is in doubt"
    book.ledger.batches.found("second", "found")
    book.record({"a": OTHER})
    assert book.made("a") == Made("found", 1_000.0, 1, 3)


def test_a_commit_that_was_never_made_is_not_named_and_its_number_not_given_again(book: Book) -> None:
    book.intend("refused", {"a": ONE})
    book.ledger.batches.dropped("refused")
    book.record({"a": ONE})
    book.commit("other", {"b": ONE})
    assert book.made("a") is None


def test_a_batch_that_is_sent_again_is_counted_once(book: Book) -> None:
    book.intend("same", {"a": ONE, "b": ONE})
    book.commit("same", {"a": ONE})
    with looked_into(book.file) as records:
        assert records.published_since(*AT, 0.0) == 1


def test_commits_count_for_the_roots_they_are_of(book: Book) -> None:
    other = book.ledger.roots.of(DESTINATION, "/other", "in")
    book.commit("first", {"a": ONE, "b": ONE, "c": None})
    book.now_s = 2_000.0
    book.commit("second", {"d": ONE}, other)
    with looked_into(book.file) as records:
        assert records.latest(*AT) == Made("first", 1_000.0, 3, 3)
        assert records.latest(DESTINATION, "/other", "in") == Made("second", 2_000.0, 1, 3)
        assert records.published_since(*AT, 0.0) == 2
        assert records.published_since(*AT, 1_500.0) == 0
        assert records.published_since(DESTINATION, "/other", "in", 1_500.0) == 1
        assert records.latest(DESTINATION, "/third", "in") is None


def test_the_oldest_commits_are_forgotten_and_the_files_stay(book: Book) -> None:
    book.commit("first", {"a": ONE})
    with closing(sqlite3.connect(book.file)) as db, db:
        db.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'batch'", (KEPT_COMMITS,))
    book.commit("last", {"b": ONE})
    assert book.made("a") is None
    assert book.made("b") is not None
    with looked_into(book.file) as records:
        assert records.published_since(*AT, 0.0) == 1


SEGMENT = st.text("a!0é", min_size=1, max_size=2) | st.just(os.fsdecode(b"\xff"))
PATHS = st.sets(st.lists(SEGMENT, min_size=1, max_size=3).map("/".join), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths=PATHS, below=st.lists(SEGMENT, max_size=3).map("/".join), size=st.integers(1, 4))
def test_a_directory_comes_page_by_page_and_each_path_once(book: Book, paths: set[str], below: str, size: int) -> None:
    book.ledger.files.record(book.root, [], [each.path for each in book.held()])
    book.record(dict.fromkeys(paths, ONE))
    found: list[str] = []
    with looked_into(book.file) as records:
        while page := records.held(*AT, within=below, after=found[-1] if found else "", limit=size):
            assert len(page) <= size
            assert page[0].path not in found
            found += [each.path for each in page]
    assert sorted(found) == sorted(path for path in paths if within(path, below))


def test_what_the_hub_asked_to_wait_is_known_until_it_is_over(book: Book) -> None:
    waits = book.ledger.waits
    assert waits.left_s("a") == 0.0
    waits.note("a", 100.0)
    waits.note("a", 10.0)
    waits.note("b", 50.0)
    book.now_s += 40.0
    assert (waits.left_s("a"), waits.left_s("b")) == (60.0, 10.0)
    waits.forget("a")
    assert (waits.left_s("a"), waits.left_s("b")) == (0.0, 10.0)
    book.now_s += 10.0
    assert waits.left_s("b") == 0.0


@pytest.mark.parametrize("jump_s", [-1e6, -50.0, 1e6])
def test_a_wait_that_was_written_by_another_time_of_day_is_none(book: Book, jump_s: float) -> None:
    book.now_s = 2e6
    book.ledger.waits.note("a", 100.0)
    book.now_s += jump_s
    assert book.ledger.waits.left_s("a") == 0.0
    book.ledger.waits.note("a", 10.0)
    assert book.ledger.waits.left_s("a") == 10.0
