"""A process that writes below a watched root and keeps a signed list of every content that it finished.

As a program: `witness.py ROOT ASIDE LIST NUMBER SEED KEY DOES`, where DOES is `all`, or `drops` for one who only puts
files there. It goes on until its standard input ends; ASIDE is a
directory on the root's file system. Everything but what lies in `shared/` is its own: nobody else writes there.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import select
import shutil
import sys
from pathlib import Path
from typing import Any

PLACES = ("", "a/", "a/deep/", "b/", "c/")
NAMES = ("one.txt", "two.txt", "three.txt", "four.bin")
SHARED = ("shared/x.txt", "shared/y.txt")
PIECES = 3
LONGEST_PAUSE_S = 0.3  # within a file: several times the daemon's quiet time
LONGEST_REST_S = 0.03  # between two operations
LARGEST_BYTES = 6_000
LARGE_BYTES = 300_000  # a binary file now and then, above what the daemon holds in memory


class SignedList:
    """Lines that are each signed together with the signature before it, and on the disk when `note` returns."""

    def __init__(self, file: Path, key: str) -> None:
        self._fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL)
        self._key = key
        self._last = ""

    def note(self, did: str, path: str, content: bytes = b"") -> None:
        text = json.dumps({"did": did, "path": path, "sha256": hashlib.sha256(content).hexdigest()})
        self._last = _signature(self._key, self._last, text)
        os.write(self._fd, f"{self._last} {text}\n".encode())
        os.fsync(self._fd)


def _signature(key: str, last: str, text: str) -> str:
    return hmac.new(key.encode(), f"{last} {text}".encode(), "sha256").hexdigest()


def read_list(file: Path, key: str) -> list[dict[str, Any]]:
    """What a list says, in its order; ValueError when a line is not the writer's own, or one is missing before it."""
    last, found = "", list[dict[str, Any]]()
    for line in file.read_text().splitlines():
        signature, _, text = line.partition(" ")
        last = _signature(key, last, text)
        if not hmac.compare_digest(signature, last):
            raise ValueError(f"{file}: line {len(found) + 1} is forged")
        found.append(json.loads(text))
    return found


class Witness:
    """The writer: one operation at a time, drawn by chance, and noted."""

    def __init__(
        self, root: Path, aside: Path, signed: SignedList, number: int, chance: random.Random, does: str
    ) -> None:
        self._does = does
        self._root = root
        self._aside = aside / f"w{number}"
        self._own = f"w{number}"
        self._signed = signed
        self._chance = chance
        self._made = 0

    def act(self) -> None:
        """One operation."""
        acts = {
            self.write: 6, self.append: 3, self.rename_into_place: 5, self.share: 2,
            self.delete: 4, self.move: 3, self.move_tree: 1, self.delete_tree: 1,
        }  # fmt: skip
        if self._does == "drops":
            acts = {self.write: 1, self.rename_into_place: 1}
        self._chance.choices(list(acts), list(acts.values()))[0]()

    def write(self) -> None:
        """In place, in pieces: what is there in between was never finished."""
        path = self._any_path()
        content = self._content(path)
        self._prepare(path)
        with (self._root / path).open("wb", buffering=0) as file:
            self._write_pieces(file.fileno(), content)
        self._signed.note("finished", path, content)

    def append(self) -> None:
        path = self._held_path()
        if path is None:
            return
        before, more = (self._root / path).read_bytes(), self._text()
        with (self._root / path).open("ab", buffering=0) as file:
            self._write_pieces(file.fileno(), more)
        self._signed.note("finished", path, before + more)

    def rename_into_place(self) -> None:
        """From outside the root, or from a name beside it that is never published."""
        path = self._any_path()
        self._prepare(path)
        beside = (self._root / path).with_suffix(".tmp")
        self._replace(path, self._chance.choice([self._aside, beside]))

    def share(self) -> None:
        """What several writers replace and delete, each in one step."""
        path = self._chance.choice(SHARED)
        self._prepare(path)
        if self._chance.random() < 1 / 3:
            self._signed.note("removed", path)
            (self._root / path).unlink(missing_ok=True)
        else:
            self._replace(path, self._aside)

    def delete(self) -> None:
        if (path := self._held_path()) is not None:
            self._signed.note("removed", path)
            (self._root / path).unlink()

    def move(self) -> None:
        old, new = self._held_path(), self._any_path()
        if old is None or old == new:
            return
        self._prepare(new)
        self._note_move(old, new)
        (self._root / old).replace(self._root / new)

    def move_tree(self) -> None:
        old, new = (f"{self._own}/{name}" for name in self._chance.sample("abcd", 2))
        if not (self._root / old).is_dir() or (self._root / new).exists():
            return
        for path in self._held(old):
            self._note_move(path, new + path.removeprefix(old))
        (self._root / old).rename(self._root / new)

    def delete_tree(self) -> None:
        top = f"{self._own}/{self._chance.choice('abcd')}"
        for path in self._held(top):
            self._signed.note("removed", path)
        shutil.rmtree(self._root / top, ignore_errors=True)

    def _replace(self, path: str, written: Path) -> None:
        content = self._content(path)
        written.write_bytes(content)
        self._signed.note("finished", path, content)
        written.replace(self._root / path)

    def _note_move(self, old: str, new: str) -> None:
        self._signed.note("finished", new, (self._root / old).read_bytes())
        self._signed.note("removed", old)

    def _write_pieces(self, fd: int, content: bytes) -> None:
        size = len(content) // PIECES + 1
        for start in range(0, len(content), size):
            os.write(fd, content[start : start + size])
            if self._chance.random() < 1 / 3:
                self.rest(LONGEST_PAUSE_S)

    def rest(self, longest_s: float) -> bool:
        """Let some time pass; whether it is time to end."""
        return bool(select.select([sys.stdin], [], [], self._chance.uniform(0.0, longest_s))[0])

    def _content(self, path: str) -> bytes:
        """Never the same twice, so that each version is known by its hash."""
        self._made += 1
        head = f"{self._own} {self._made}\n".encode()
        if path.endswith(".bin"):
            size = LARGE_BYTES if self._chance.random() < 1 / 10 else self._chance.randrange(LARGEST_BYTES)
            return head + b"\0" + self._chance.randbytes(size)
        return head + self._text()

    def _text(self) -> bytes:
        return self._chance.randbytes(self._chance.randrange(LARGEST_BYTES // 2)).hex().encode()

    def _any_path(self) -> str:
        return f"{self._own}/{self._chance.choice(PLACES)}{self._chance.choice(NAMES)}"

    def _held_path(self) -> str | None:
        held = self._held(self._own)
        return self._chance.choice(held) if held else None

    def _held(self, top: str) -> list[str]:
        below = (self._root / top).rglob("*")
        return sorted(str(path.relative_to(self._root)) for path in below if path.is_file())

    def _prepare(self, path: str) -> None:
        (self._root / path).parent.mkdir(parents=True, exist_ok=True)


def main(root: str, aside: str, signed: str, number: str, seed: str, key: str, does: str) -> None:
    witness = Witness(Path(root), Path(aside), SignedList(Path(signed), key), int(number), random.Random(seed), does)  # noqa: S311  a plan of writes
    while not witness.rest(LONGEST_REST_S):
        witness.act()


if __name__ == "__main__":
    main(*sys.argv[1:])
