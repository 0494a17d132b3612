"""Where a file goes in its repo. Pure.

`path_in_repo` is a template over the destination's prefix. `{relpath}`, the default, is the only one that never brings
two files together and whose inverse is known. What is rendered from content or time is rendered once for each content;
remembering it is the ledger's part.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hf_watch.paths import parent

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = "{relpath}"
NAME_FIELDS = ("relpath", "name", "stem", "suffix", "parent", "host", "target")  # settled by where the file is
TIME_FIELDS = ("mtime", "now")
FIELDS = (*NAME_FIELDS, "sha256", *TIME_FIELDS)
SHOWN_FIELDS = (
    "{relpath}, {name}, {stem}, {suffix}, {parent}, {host}, {target}, {sha256:.8}, {mtime:%Y/%m/%d}, {now:%Y-%m}"
)
FORBIDDEN_SEGMENTS = frozenset({".git", ".cache", ".", ".."})  # huggingface_hub 2.4.0 refuses the first two
SHA256_LETTERS = 64
TIME_FORMAT = re.compile(r"(?:[^%{}]|%[YymdHMSjVGuU%])+")  # what means the same wherever it runs, and sorts
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unpublishable(ValueError):  # noqa: N818  a reason, not a failure: the file is set aside with it
    """The Hub cannot hold a file of this name; the text says why."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a template may say of a file beyond its place: `sha256` in hex, times in nanoseconds since 1970, UTC."""

    sha256: str
    mtime_ns: int
    now_ns: int


NO_CONTENT = Content("0" * SHA256_LETTERS, 0, 0)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Literal text, then perhaps a field."""

    text: str
    name: str | None
    form: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """The mapping of one target: `template` below `prefix` (`""` for the repo's root). ValueError if it is none."""

    prefix: str
    template: str = PLAIN
    target: str = ""
    host: str = ""
    _pieces: tuple[_Piece, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pieces", tuple(_parsed(self.template)))

    @property
    def is_plain(self) -> bool:
        """Whether each file keeps its place: two files never clash, and `local_path` knows where one came from."""
        return self.template == PLAIN

    @property
    def is_fixed(self) -> bool:
        """Whether the file's place alone decides, so that it can be told without reading the file."""
        return all(piece.name is None or piece.name in NAME_FIELDS for piece in self._pieces)

    @property
    def keeps_apart(self) -> bool:
        """Whether files of one name and other content never meet, whichever targets they are of."""
        return any(piece.name in {"target", "sha256"} for piece in self._pieces)

    @property
    def key(self) -> str:
        """What the ledger keys the root by: with another mapping it is another root, and all of it is published anew.

        A prefix alone never begins with a slash nor holds two in a row, so no two mappings have one key.
        """
        return self.prefix if self.is_plain else f"/{self.prefix}//{self.template}"

    def repo_path(self, path: str, content: Content = NO_CONTENT) -> str:
        """The path in the repo of the file at `path` below the root; `content` matters unless `is_fixed`.

        Raises Unpublishable for a name that the Hub cannot hold.
        """
        if self.is_plain:
            return repo_path(self.prefix, path)
        found = PurePosixPath(path)
        values = {
            "relpath": path, "name": found.name, "stem": found.stem, "suffix": found.suffix, "parent": parent(path),
            "target": self.target, "host": self.host, "sha256": content.sha256,
        }  # fmt: skip
        rendered = "".join(piece.text + _value(piece, values, content) for piece in self._pieces)
        segments = [segment for segment in rendered.split("/") if segment]  # {parent} may be empty
        if not segments:
            raise Unpublishable("path_in_repo leaves no name for it")
        return repo_path(self.prefix, "/".join(segments))

    def local_path(self, in_repo: str) -> str | None:
        """The path below the root of the file that belongs at `in_repo`; None when there is none or it is unknown."""
        return local_path(self.prefix, in_repo) if self.is_plain else None


def _parsed(template: str) -> Iterator[_Piece]:
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{template!r} cannot be read ({error}); allowed are {SHOWN_FIELDS}") from error
    literal = "".join(text + ("\0" if name is not None else "") for text, name, _, _ in pieces)
    if any(segment in FORBIDDEN_SEGMENTS or segment.lower() == ".git" for segment in literal.split("/")):
        raise ValueError(f"{template!r} has a segment that the Hub refuses; allowed are others than . .. .git .cache")
    for text, name, form, conversion in pieces:
        if name is not None and (name not in FIELDS or conversion):
            raise ValueError(f"{{{name}}} is unknown; allowed are {SHOWN_FIELDS}")
        _check_form(name, form or "")
        yield _Piece(text, name, form or "")
    if all(name is None for _, name, _, _ in pieces):
        raise ValueError(f"{template!r} names no field, so every file would have the same path; like {SHOWN_FIELDS}")


def _check_form(name: str | None, form: str) -> None:
    if name == "sha256":
        digits = re.fullmatch(r"(?:\.([1-9][0-9]?))?", form)
        if digits is None or int(digits[1] or 1) > SHA256_LETTERS:
            raise ValueError("{sha256} takes a number of its 64 letters, like {sha256:.8}")
    elif name in TIME_FIELDS:
        if TIME_FORMAT.fullmatch(form) is None:
            raise ValueError(f"{{{name}}} takes a format of %Y %m %d %H %M %S %j %V %G %u, like {{{name}:%Y/%m/%d}}")
    elif form:
        raise ValueError(f"{{{name}}} takes no format")


def _value(piece: _Piece, values: dict[str, str], content: Content) -> str:
    if piece.name is None:
        return ""
    if piece.name in TIME_FIELDS:
        at_ns = content.mtime_ns if piece.name == "mtime" else content.now_ns
        return (EPOCH + timedelta(microseconds=at_ns // 1000)).strftime(piece.form)
    return format(values[piece.name], piece.form)


def repo_path(prefix: str, path: str) -> str:
    """`path` below `prefix` (`""` for the repo's root), when the Hub can hold a file there; Unpublishable if not."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise Unpublishable("the name is not UTF-8, and the Hub holds no other names") from error
    for segment in path.split("/"):
        if segment in FORBIDDEN_SEGMENTS or segment.lower() == ".git":
            raise Unpublishable(f"the Hub refuses paths with a segment {segment!r}")
    return f"{prefix}/{path}" if prefix else path


def local_path(prefix: str, in_repo: str) -> str | None:
    """The inverse: the relative path that maps to `in_repo`, or None when nothing below this root does."""
    if not prefix:
        return in_repo
    head, slash, rest = in_repo.partition(prefix + "/")
    return rest if slash and not head else None
