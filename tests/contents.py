"""What a repo of the local Hub holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_watch.local_hub.server import LocalHub

OF_THE_HUB = {".gitattributes"}  # a new repo has it


def contents(hub: LocalHub, repo_type: str, repo_id: str, prefix: str = "") -> dict[str, bytes]:
    """Each path below `prefix` with its bytes, all of one commit; empty where there is no repo."""
    try:
        head = hub.head(repo_type, repo_id)
    except KeyError:
        return {}
    paths = [path for path in hub.files(repo_type, repo_id, head) if path.startswith(prefix) and path not in OF_THE_HUB]
    return {path.removeprefix(prefix): hub.read(repo_type, repo_id, path, head) for path in paths}
