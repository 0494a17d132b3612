"""Files put into a watched directory: whole or not at all, and never in another one's place unasked.

Each on file systems that can rename unless something is there, and on those that cannot.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from hf_watch.page.landing import RefusedError, landing
from tests.kernels import without_rename_flags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

AT_ONCE = 8


def _at_once(act: Callable[[], object]) -> None:
    act()


@pytest.fixture(name="on", params=[_at_once, without_rename_flags], ids=["rename", "link"])
def _on(request: pytest.FixtureRequest) -> Callable[[Callable[[], object]], None]:
    found: Callable[[Callable[[], object]], None] = request.param
    return found


@dataclass(frozen=True)
class Lander:
    """Puts files below a root, on the kernel that `on` gives."""

    on: Callable[[Callable[[], object]], None]

    def __call__(self, *arguments: Any, **named: Any) -> int:
        said: list[int] = []
        self.on(lambda: said.append(_land(*arguments, **named)))
        return said[0]


@pytest.fixture(name="land")
def _lander(on: Callable[[Callable[[], object]], None]) -> Lander:
    return Lander(on)


def _land(
    root: Path,
    path: str,
    content: bytes,
    naming: AbstractContextManager[None] | None = None,
    *,
    may_replace: bool = False,
) -> int:
    """Put a file there: 200, or what it is refused with."""
    try:
        with landing(str(root), len(content)) as file:
            file.write(content)
            file.place(path, may_replace=may_replace, naming=naming or nullcontext())
    except RefusedError as error:
        return error.status
    return 200


def _names(directory: Path) -> set[str]:
    return {each.name for each in directory.iterdir()}


@contextmanager
def _appearing(file: Path) -> Iterator[None]:
    """Right before the upload gets its name, somebody else writes a file there."""
    file.write_text("somebody else's")
    yield


def test_a_file_that_appears_at_the_last_moment_stays(tmp_path: Path, land: Lander) -> None:
    (tmp_path / "sub").mkdir()
    for path in ("a.txt", "sub/a.txt"):
        assert land(tmp_path, path, b"ours", _appearing(tmp_path / path)) == 409
        assert (tmp_path / path).read_text() == "somebody else's"
    assert _names(tmp_path) == {"a.txt", "sub"}
    assert land(tmp_path, "b.txt", b"ours", _appearing(tmp_path / "b.txt"), may_replace=True) == 200
    assert (tmp_path / "b.txt").read_bytes() == b"ours"


@contextmanager
def _met(barrier: threading.Barrier) -> Iterator[None]:
    barrier.wait()
    yield


def test_of_files_of_one_name_at_once_one_lands_and_the_others_are_told(tmp_path: Path, land: Lander) -> None:
    for turn in range(20):
        barrier = threading.Barrier(AT_ONCE, timeout=60.0)
        said: dict[int, int] = {}

        def land_one(
            number: int, turn: int = turn, barrier: threading.Barrier = barrier, said: dict[int, int] = said
        ) -> None:
            said[number] = land(tmp_path, f"{turn}.txt", b"%d" % number, _met(barrier))

        threads = [threading.Thread(target=land_one, args=(number,)) for number in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(said.values()) == [200] + [409] * (AT_ONCE - 1)
        [landed] = [number for number, status in said.items() if status == 200]
        assert (tmp_path / f"{turn}.txt").read_bytes() == b"%d" % landed
    assert len(_names(tmp_path)) == 20


@pytest.mark.parametrize("make", ["mkdir", "touch"])
def test_what_is_there_stays(tmp_path: Path, land: Lander, make: str) -> None:
    getattr(tmp_path / "a", make)()
    assert land(tmp_path, "a", b"ours") == 409
    assert _names(tmp_path) == {"a"}


def test_a_dangling_link_is_something_that_is_there(tmp_path: Path, land: Lander) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "nothing")
    assert land(tmp_path, "a", b"ours") == 409
    assert (tmp_path / "a").is_symlink()
