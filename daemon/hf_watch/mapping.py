"""Where a file goes in its repo. Pure."""

from __future__ import annotations

FORBIDDEN_SEGMENTS = frozenset({".git", ".cache", ".", ".."})  # huggingface_hub 2.4.0 refuses the first two


class Unpublishable(ValueError):  # noqa: N818  a reason, not a failure: the file is set aside with it
    """The Hub cannot hold a file of this name; the text says why."""


def repo_path(prefix: str, path: str) -> str:
    """The path in the repo of the file at `path` below a root bound to `prefix` (`""` for the repo's root).

    Raises Unpublishable for a name that the Hub cannot hold. Two different paths never map to one.
    """
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise Unpublishable("the name is not UTF-8, and the Hub holds no other names") from error
    for segment in path.split("/"):
        if segment in FORBIDDEN_SEGMENTS:
            raise Unpublishable(f"the Hub refuses paths with a segment {segment!r}")
    return f"{prefix}/{path}" if prefix else path


def local_path(prefix: str, in_repo: str) -> str | None:
    """The inverse: the relative path that maps to `in_repo`, or None when nothing below this root does."""
    if not prefix:
        return in_repo
    head, slash, rest = in_repo.partition(prefix + "/")
    return rest if slash and not head else None
