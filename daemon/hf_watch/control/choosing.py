"""Which of the targets a request means, and which path in each; HTTPException 404 where it means none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from hf_watch.paths import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hf_watch.control.daemon import Steered

Chosen = tuple["Steered", str]  # a target, and the file or directory of it that is meant; "": all of it


def named(targets: Sequence[Steered], name: str | None) -> Sequence[Steered]:
    """The target of this name, all of them without one."""
    chosen = [each for each in targets if name is None or each.name == name]
    if not chosen:
        known = ", ".join(each.name for each in targets)
        raise HTTPException(404, f"target: {name!r} is unknown; there are: {known}")
    return chosen


def holding(targets: Sequence[Steered], path: str | None) -> Sequence[Chosen]:
    """Each target that a path may lie in; without a path, all of them."""
    chosen = [(each, inside) for each in targets if (inside := _inside(each, path)) is not None]
    if not chosen:
        raise HTTPException(404, "path: it lies in no watched directory")
    return chosen


def one_of_each_worker(targets: Sequence[Steered]) -> Sequence[Steered]:
    """As many targets as there are workers."""
    return list({each.inbox: each for each in targets}.values())


def _inside(target: Steered, path: str | None) -> str | None:
    """The path relative to the target's root, `""` for all of it; None when it lies elsewhere."""
    if path is None:
        return ""
    normal = os.path.normpath(path)
    if not os.path.isabs(normal):  # noqa: PTH117  the name need not be UTF-8
        return None if normal.split("/")[0] == ".." else "" if normal == "." else normal
    for root in (target.directory, os.path.realpath(target.directory)):
        if within(normal, root.rstrip("/")):
            return normal[len(root.rstrip("/")) :].lstrip("/")
    return None
