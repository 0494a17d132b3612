"""Somebody with the Hub's client as it comes, without what hf-watch puts into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import HfApi, set_client_factory
from huggingface_hub.utils._http import default_client_factory

if TYPE_CHECKING:
    from hf_watch.local_hub import LocalHub

TOKEN = "hf_" + "v" * 32


def visitor(endpoint: str, token: str | bool = TOKEN) -> HfApi:
    """A client; `False` for the token: a stranger."""
    set_client_factory(default_client_factory)  # a test before this one may have installed hf-watch's
    return HfApi(endpoint=endpoint, token=token)


def headers(token: str = TOKEN) -> dict[str, str]:
    """What a bare HTTP request says to be that somebody."""
    return {"Authorization": f"Bearer {token}"}


def asked(hub: LocalHub, beginning: str) -> list[tuple[str, int]]:
    """The requests whose path begins so: what was asked, and the status."""
    return [(each.method, each.status) for each in hub.requests if each.path.startswith(beginning)]


def sent_and_fetched(hub: LocalHub, repo: str, content: bytes, cache: Path) -> None:
    """A file goes to a model repo and comes back, byte for byte."""
    api = visitor(hub.url)
    api.upload_file(path_or_fileobj=content, path_in_repo="f", repo_id=repo)
    assert hub.read("model", repo, "f") == content
    assert Path(api.hf_hub_download(repo, "f", cache_dir=cache)).read_bytes() == content
