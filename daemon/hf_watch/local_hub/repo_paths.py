"""What a repo can be called, and which paths it can hold."""

from __future__ import annotations

import re

from . import refusals

REPO_NAME = re.compile(r"[A-Za-z0-9_.-]{1,96}")
# Longer paths have no place in the directory that shows the head: NAME_MAX, and PATH_MAX with room for the root.
LONGEST_NAME_BYTES = 255
LONGEST_PATH_BYTES = 3000


def check_path(path: object) -> str:
    """`path`, when a repo can hold a file there; Refusal 422 for what would leave the repo, 400 for the rest."""
    if not isinstance(path, str) or not path:
        raise refusals.bad_request("You must provide a file path")
    segments = path.split("/")
    if "\\" in path or any(segment in {"", ".", ".."} for segment in segments):
        raise refusals.Refusal(422, f"Invalid path: {_shown(path)}")
    if any(segment.lower() == ".git" for segment in segments):
        raise refusals.bad_request(f"Invalid path: {_shown(path)}")
    check_name_bytes(path, segments)
    return path


def check_repo_name(name: str) -> str:
    """`name`, when it can be that of a repo or a namespace, and of a directory; Refusal 400 when not."""
    if REPO_NAME.fullmatch(name) is None or name in {".", ".."}:
        raise refusals.bad_request(f"Invalid repo name: {_shown(name)}")
    return name


def check_name_bytes(path: str, segments: list[str]) -> None:
    """Refusal 400 unless every segment is UTF-8, free of NUL and of a length that a file system takes."""
    try:
        lengths = [len(segment.encode()) for segment in segments]
    except UnicodeEncodeError:
        raise refusals.bad_request(f"Invalid path: {_shown(path)} is not valid UTF-8") from None
    if "\0" in path or max(lengths) > LONGEST_NAME_BYTES or sum(lengths) + len(lengths) > LONGEST_PATH_BYTES:
        raise refusals.bad_request(f"Invalid path: {_shown(path)}")


def parents(path: str) -> list[str]:
    """The directories above `path`, the nearest first, without the root: "a/b/c" gives ["a/b", "a"]."""
    found = []
    while "/" in path:
        path = path.rpartition("/")[0]
        found.append(path)
    return found


def parent(path: str) -> str:
    """The directory that holds `path`, "" for the root."""
    return path.rpartition("/")[0]


def _shown(path: str) -> str:
    return path.encode("ascii", "backslashreplace").decode()[:200]
