"""What the local Hub gives back: over HTTP, as plain files, and after a restart."""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.hf_api import RepoFile

from hf_watch.errors import ConfigError
from hf_watch.local_hub import LocalHub
from hf_watch.local_hub.records import Edit
from tests.visitor import headers, visitor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPO = "acme/drop"
SMALL, LARGE = b"0123456789", b"\0" + os.urandom(1 << 16)


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Path:
    return tmp_path / "hub"


@pytest.fixture(name="hub")
def _hub(place: Path) -> Iterator[LocalHub]:
    with LocalHub(place, open_namespaces=True, page_size=3) as hub:
        hub.create_repo("dataset", REPO)
        yield hub


def put(hub: LocalHub, files: dict[str, bytes], deleted: tuple[str, ...] = (), revision: str = "main") -> str:
    """One commit through the client."""
    operations: list[CommitOperationAdd | CommitOperationDelete] = [CommitOperationDelete(path) for path in deleted]
    operations += [CommitOperationAdd(path, content) for path, content in files.items()]
    made = visitor(hub.url).create_commit(
        REPO, operations, commit_message=f"{len(files)}", repo_type="dataset", revision=revision
    )
    return made.oid


def plain(place: Path, branch: str = "main", repo: str = REPO) -> dict[str, bytes]:
    root = place / "repos" / "datasets" / repo / branch
    found = {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}
    return {path: content for path, content in found.items() if path != ".gitattributes"}


def test_a_small_file_is_told_and_read(hub: LocalHub) -> None:
    commit = put(hub, {"a b/small#.txt": SMALL})
    address = f"{hub.url}/datasets/{REPO}/resolve/main/a%20b/small%23.txt"
    told = httpx2.head(address)
    assert (told.status_code, told.content, told.headers["Content-Length"]) == (200, b"", "10")
    assert told.headers["X-Repo-Commit"] == commit
    assert told.headers["ETag"] == '"ad471007bd7f5983d273b9584e5629230150fd54"'  # as `git hash-object` says
    assert httpx2.get(address).content == SMALL


def test_a_large_file_is_told_by_the_redirect_to_it(hub: LocalHub) -> None:
    put(hub, {"large": LARGE})
    told = httpx2.head(f"{hub.url}/datasets/{REPO}/resolve/main/large")
    assert told.status_code == 302
    assert told.headers["X-Linked-Etag"] == f'"{sha256(LARGE).hexdigest()}"'
    assert told.headers["X-Linked-Size"] == str(len(LARGE))
    assert httpx2.get(told.headers["Location"]).content == LARGE


@pytest.mark.parametrize("content", [SMALL, LARGE])
def test_parts_of_files_are_read(hub: LocalHub, content: bytes) -> None:
    put(hub, {"file": content})
    address = f"{hub.url}/datasets/{REPO}/resolve/main/file"

    def part(asked: str) -> httpx2.Response:
        return httpx2.get(address, headers={"Range": f"bytes={asked}"}, follow_redirects=True)

    assert (part("2-4").status_code, part("2-4").content) == (206, content[2:5])
    assert part("7-").content == content[7:]
    assert part("2-4").headers["Content-Range"] == f"bytes 2-4/{len(content)}"
    assert part(f"{len(content)}-").status_code == 416


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("below", ["", "a", "a/b"])
def test_a_tree_comes_in_pages_and_whole(hub: LocalHub, below: str, *, recursive: bool) -> None:
    files = (
        [f"a/b/{number}" for number in range(5)] + [f"a/{number}" for number in range(4)] + ["a.txt", "a-/x", "ä #?%"]
    )
    put(hub, dict.fromkeys(files, SMALL))
    before = len(hub.requests)
    found = list(visitor(hub.url).list_repo_tree(REPO, below or None, repo_type="dataset", recursive=recursive))
    paths = [each.path for each in found]
    assert len(hub.requests) - before > 1
    prefix = f"{below}/" if below else ""
    every = {*files, ".gitattributes", "a", "a/b", "a-"}
    wanted = {path for path in every if path.startswith(prefix) and (recursive or "/" not in path[len(prefix) :])}
    assert sorted(paths) == sorted(wanted)
    assert {each.path for each in found if isinstance(each, RepoFile)} == wanted & {*files, ".gitattributes"}


def test_the_commit_that_last_changed_a_path_is_told(hub: LocalHub) -> None:
    first = put(hub, {"a/1": b"1", "b": b"1"})
    second = put(hub, {"a/2": b"2"})
    api = visitor(hub.url)
    found = api.get_paths_info(REPO, ["a", "a/1", "b"], repo_type="dataset", expand=True)
    assert [(each.path, each.last_commit.oid) for each in found if each.last_commit] == [
        ("a", second),
        ("a/1", first),
        ("b", first),
    ]


def test_the_past_stays_as_it_was(hub: LocalHub) -> None:
    first = put(hub, {"a": b"1", "b": b"1"})
    put(hub, {"a": b"2"}, deleted=("b",))
    assert hub.files("dataset", REPO, first).keys() == {".gitattributes", "a", "b"}
    assert hub.read("dataset", REPO, "a", first) == b"1"
    assert hub.read("dataset", REPO, "a") == b"2"
    assert visitor(hub.url).dataset_info(REPO, revision=first[:7]).sha == first


def test_squashing_leaves_one_commit_and_every_file(hub: LocalHub, place: Path) -> None:
    put(hub, {"a": b"1", "large": LARGE})
    put(hub, {"a": b"2"})
    visitor(hub.url).super_squash_history(REPO, repo_type="dataset", commit_message="All")
    assert [each.title for each in hub.commits("dataset", REPO)] == ["All"]
    put(hub, {"b": b"3"})
    assert plain(place) == {"a": b"2", "b": b"3", "large": LARGE}
    assert hub.files("dataset", REPO) == {".gitattributes": len(hub.read("dataset", REPO, ".gitattributes")), "a": 1,
                                          "b": 1, "large": len(LARGE)}  # fmt: skip


def test_every_head_stands_as_plain_files(hub: LocalHub, place: Path) -> None:
    put(hub, {"a/1": SMALL, "large": LARGE, "x": SMALL})
    assert plain(place) == {"a/1": SMALL, "large": LARGE, "x": SMALL}
    put(hub, {"x/y": SMALL}, deleted=("a/1", "x"))
    assert plain(place) == {"large": LARGE, "x/y": SMALL}
    api = visitor(hub.url)
    api.create_branch(REPO, branch="feature/x", repo_type="dataset")
    put(hub, {"b": SMALL}, revision="feature/x")
    assert plain(place, "feature%2Fx") == {"b": SMALL, "large": LARGE, "x/y": SMALL}
    assert plain(place) == {"large": LARGE, "x/y": SMALL}
    api.delete_branch(REPO, branch="feature/x", repo_type="dataset")
    assert plain(place, "feature%2Fx") == {}
    api.move_repo(REPO, "acme/moved", repo_type="dataset")
    assert plain(place) == {}
    assert plain(place, repo="acme/moved") == {"large": LARGE, "x/y": SMALL}
    api.delete_repo("acme/moved", repo_type="dataset")
    assert plain(place, repo="acme/moved") == {}


def test_commits_at_the_same_time_do_not_hinder_each_other(hub: LocalHub, place: Path) -> None:
    put(hub, {"large": LARGE})
    address = f"{hub.url}/api/datasets/{REPO}/commit/main"
    oid = sha256(LARGE).hexdigest()

    def commit(number: int) -> int:
        lines = f'{{"key": "lfsFile", "value": {{"path": "{number}", "algo": "sha256", "oid": "{oid}"}}}}'
        return httpx2.post(address, content=lines.encode(), headers=headers(), timeout=60).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(commit, range(32))) == {200}
    assert plain(place) == {"large": LARGE} | {str(number): LARGE for number in range(32)}


def test_plain_files_are_written_by_one_at_a_time(hub: LocalHub, place: Path) -> None:
    put(hub, {"large": LARGE})
    known = (sha256(LARGE).hexdigest(), len(LARGE))
    edit = Edit(large={str(number): known for number in range(300)})
    repo = hub._repo("dataset", REPO)
    hub._state.store.commit(repo, "main", edit, title="", description="", author="", parent=None)
    with ThreadPoolExecutor(8) as threads:
        for shown in [threads.submit(hub._state.heads.show) for _ in range(8)]:
            shown.result()
    assert plain(place) == dict.fromkeys([*edit.large, "large"], LARGE)


def test_what_is_committed_while_plain_files_are_written_is_not_forgotten(hub: LocalHub, place: Path) -> None:
    store, repo = hub._state.store, hub._repo("dataset", REPO)

    def commit(path: str) -> None:
        edit = Edit(regular={path: SMALL})
        store.commit(repo, "main", edit, title="", description="", author="", parent=None)

    commit("a")
    (behind,) = store.not_shown()
    commit("b")
    store.shown(behind)
    hub._state.heads.show()
    assert plain(place) == {"b": SMALL}


def test_the_directory_of_another_version_is_refused_and_left_alone(hub: LocalHub, place: Path) -> None:
    hub.__exit__()
    with closing(sqlite3.connect(place / "hub.sqlite3")) as database:
        database.execute("PRAGMA user_version = 999")
    with pytest.raises(ConfigError, match="another version"), LocalHub(place):
        pass
    with closing(sqlite3.connect(place / "hub.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM repo").fetchone() == (1,)


def test_a_restart_finds_everything(hub: LocalHub, place: Path) -> None:
    commit = put(hub, {"a": SMALL, "large": LARGE})
    api = visitor(hub.url)
    api.create_tag(REPO, tag="v1", repo_type="dataset")
    api.create_pull_request(REPO, title="One", repo_type="dataset")
    api.update_repo_settings(REPO, repo_type="dataset", private=True, gated="manual")
    hub.__exit__()
    (place / "objects" / "incoming-half").write_bytes(b"what a killed process left")
    (place / "repos" / "datasets" / REPO / "main" / "a").write_bytes(SMALL)
    with LocalHub(place, open_namespaces=True) as again:
        api = visitor(again.url)
        info = api.dataset_info(REPO, revision="v1")
        assert (info.sha, info.private, info.gated) == (commit, True, "manual")
        assert api.get_discussion_details(REPO, 1, repo_type="dataset").title == "One"
        assert again.read("dataset", REPO, "large") == LARGE
        put(again, {"b": SMALL})
        assert plain(place) == {"a": SMALL, "b": SMALL, "large": LARGE}
    assert not list((place / "objects").glob("incoming-*"))
