"""What goes out: files, directories and commits as the Hub's JSON has them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from starlette.requests import Request

    from .records import File, Revision

POINTER_BYTES = 134  # of a Git LFS pointer, as the Hub says for every size


def file_item(file: File, xet_hash: str | None) -> dict[str, Any]:
    """A file of a tree."""
    item: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.size_bytes, "path": file.path}
    if file.sha256 is not None:
        item["lfs"] = {"oid": file.sha256, "size": file.size_bytes, "pointerSize": POINTER_BYTES}
    if xet_hash is not None:
        item["xetHash"] = xet_hash
    return item


def directory_item(path: str) -> dict[str, Any]:
    """A directory of a tree; its Git id is not known here."""
    return {"type": "directory", "oid": "0" * 40, "size": 0, "path": path}


def sibling(file: File, *, blobs: bool) -> dict[str, Any]:
    """A file of a repo's description."""
    if not blobs:
        return {"rfilename": file.path}
    item: dict[str, Any] = {"rfilename": file.path, "size": file.size_bytes, "blobId": file.oid}
    if file.sha256 is not None:
        item["lfs"] = {"sha256": file.sha256, "size": file.size_bytes, "pointerSize": POINTER_BYTES}
    return item


def last_commit(revision: Revision) -> dict[str, Any]:
    return {"id": revision.id, "title": revision.title, "date": date(revision.at_s)}


def next_page(request: Request, **query: str | int) -> dict[str, str]:
    """The header that names the next page."""
    asked = urlencode({**request.query_params, **query})
    return {"Link": f'<{request.url.scheme}://{request.url.netloc}{path_as_sent(request)}?{asked}>; rel="next"'}


def path_as_sent(request: Request) -> str:
    """The path of a request with everything escaped that was."""
    raw: bytes = request.scope["raw_path"]
    return raw.decode("ascii")


def date(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
