"""What the local Hub refuses, and to whom: the Hub's status codes, error codes and words."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from hf_watch.local_hub import LocalHub, Org, Token
from tests.visitor import headers, visitor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER, READER, STRANGER = "hf_owner", "hf_reader", "hf_stranger"
OPEN, SECRET, API = "alice/open", "alice/secret", "/api/models/alice/open"
STALE = "The branch was updated since you opened this page. Please refresh and try again."


@pytest.fixture(name="hub")
def _hub(tmp_path: Path) -> Iterator[LocalHub]:
    tokens = {
        OWNER: Token("alice", orgs=(Org("closed", private_by_default=True),)),
        READER: Token("alice", role="read"),
        STRANGER: Token("bob"),
    }
    with LocalHub(tmp_path / "hub", tokens=tokens) as hub:
        hub.create_repo("model", OPEN)
        hub.create_repo("model", SECRET, private=True)
        yield hub


def post_commit(
    hub: LocalHub, *items: dict[str, Any], revision: str = "main", query: str = "", token: str = OWNER
) -> httpx2.Response:
    lines = b"\n".join(json.dumps(item).encode() for item in items)
    address = f"{hub.url}{API}/commit/{revision}{query}"
    return httpx2.post(address, content=lines, headers=headers(token))


def adds(path: str, content: bytes = b"x") -> dict[str, Any]:
    return {"key": "file", "value": {"path": path, "content": base64.b64encode(content).decode()}}


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "code", "words"),
    [
        ("GET", "/api/models/alice/nothing", OWNER, 404, "RepoNotFound", "Repository not found"),
        ("GET", "/api/models/nothing", OWNER, 404, "RepoNotFound", "Repository not found"),
        ("GET", f"/api/models/{SECRET}", STRANGER, 404, "RepoNotFound", "Repository not found"),
        ("GET", f"/api/models/{SECRET}", None, 401, "RepoNotFound", "Invalid username or password."),
        ("GET", f"/{SECRET}/resolve/main/.gitattributes", STRANGER, 404, "RepoNotFound", "Repository not found"),
        ("GET", f"/api/datasets/{OPEN}", OWNER, 404, "RepoNotFound", "Repository not found"),
        ("POST", "/api/models/alice/nothing/preupload/main", OWNER, 404, "RepoNotFound", "Repository not found"),
        ("POST", f"{API}/preupload/nothing", OWNER, 404, "RevisionNotFound", "Invalid rev id: nothing"),
        ("GET", f"{API}/revision/nothing", OWNER, 404, "RevisionNotFound", "Invalid rev id: nothing"),
        ("GET", f"{API}/revision/abc", OWNER, 404, "RevisionNotFound", "Invalid rev id: abc"),
        ("GET", f"{API}/tree/main/nothing", OWNER, 404, "EntryNotFound", "nothing does not exist"),
        ("GET", f"/{OPEN}/resolve/main/nothing", OWNER, 404, "EntryNotFound", "Entry not found"),
        ("GET", "/api/whoami-v2", "hf_wrong", 401, None, "Invalid credentials in Authorization header"),
        ("GET", "/api/whoami-v2", None, 401, None, "Invalid username or password."),
        ("GET", f"{API}/auth-check/write", None, 401, None, "Invalid username or password."),
        ("GET", f"{API}/auth-check/write", READER, 403, None, "You must use a write token to upload to a repository."),
        ("GET", f"{API}/auth-check/write", STRANGER, 403, None, "Authorization error."),
        ("GET", f"{API}/xet-write-token/main", STRANGER, 403, None, "Authorization error."),
        ("DELETE", f"{API}/branch/main", OWNER, 403, None, "Cannot delete refs/heads/main"),
        ("POST", f"{API}/branch/main", OWNER, 409, None, "Reference refs/heads/main already exists"),
        ("POST", f"{API}/branch/refs%2Fpr%2F1", OWNER, 400, None, "Invalid reference for a branch: refs/pr/1"),
        ("POST", f"{API}/super-squash/nothing", OWNER, 404, "RevisionNotFound", "Invalid rev id: nothing"),
        ("DELETE", f"{API}/tag/v1", OWNER, 404, "RevisionNotFound", "Invalid rev id: v1"),
        ("GET", f"{API}/tree/main?limit=many", OWNER, 400, None, "not a number: many"),
    ],
)
def test_a_refusal_has_a_status_a_code_and_words(
    hub: LocalHub, method: str, path: str, token: str | None, status: int, code: str | None, words: str
) -> None:
    answer = httpx2.request(method, hub.url + path, headers=headers(token) if token else {})
    assert (answer.status_code, answer.headers.get("X-Error-Code")) == (status, code)
    assert answer.headers["X-Error-Message"] == answer.json()["error"] == words
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("item", "status", "words"),
    [
        (adds("..\\x"), 422, "Invalid path"),
        (adds("a/../x"), 422, "Invalid path"),
        (adds("/x"), 422, "Invalid path"),
        (adds("a/.git/x"), 400, "Invalid path"),
        (adds("a" * 256), 400, "Invalid path"),
        (adds(""), 400, "You must provide a file path"),
        (adds("README.md", b"---\nlicense: [\n---\n"), 400, "Invalid metadata in README.md"),
        ({"key": "file", "value": {"path": "x", "content": "***"}}, 400, "not base64"),
        ({"key": "file"}, 400, "a line of the commit is not what it should be"),
        ({"key": "else", "value": {"path": "x"}}, 400, "unknown operation else"),
        (
            {"key": "lfsFile", "value": {"path": "x", "algo": "sha256", "oid": "0" * 64, "size": 1}},
            400,
            "LFS pointer pointed to a file that does not exist",
        ),
        ({"key": "deletedFile", "value": {"path": "x"}}, 404, "A file with this name doesn't exist"),
        ({"key": "deletedFolder", "value": {"path": "x/"}}, 404, "A file with this name doesn't exist"),
        ({"key": "header", "value": {"summary": "s", "parentCommit": "0" * 40}}, 412, STALE),
    ],
)
def test_a_commit_that_is_refused_does_nothing_at_all(
    hub: LocalHub, item: dict[str, Any], status: int, words: str
) -> None:
    head = hub.head("model", OPEN)
    answer = post_commit(hub, adds("good"), item)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert hub.head("model", OPEN) == head
    assert post_commit(hub, adds("good")).status_code == 200


def test_a_commit_behind_the_head_is_refused_and_one_at_the_head_is_made(hub: LocalHub) -> None:
    before = hub.head("model", OPEN)
    api = visitor(hub.url, OWNER)
    made = api.create_commit(OPEN, [CommitOperationAdd("a", b"a")], commit_message="s", parent_commit=before)
    with pytest.raises(HfHubHTTPError, match="The branch was updated") as caught:
        api.create_commit(OPEN, [CommitOperationAdd("b", b"b")], commit_message="s", parent_commit=before)
    assert caught.value.response.status_code == 412
    assert hub.head("model", OPEN) == made.oid


def test_a_private_repo_is_missing_to_strangers(hub: LocalHub) -> None:
    assert visitor(hub.url, OWNER).repo_exists(SECRET)
    assert not visitor(hub.url, STRANGER).repo_exists(SECRET)
    assert not visitor(hub.url, False).repo_exists(SECRET)
    with pytest.raises(RepositoryNotFoundError):
        visitor(hub.url, STRANGER).upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=SECRET)


def test_a_repo_can_be_made_only_once_and_only_in_one_s_own_place(hub: LocalHub) -> None:
    with pytest.raises(HfHubHTTPError, match="You already created this model repo") as twice:
        visitor(hub.url, OWNER).create_repo("Alice/OPEN")
    assert twice.value.response.status_code == 409
    for token in (STRANGER, READER):
        with pytest.raises(HfHubHTTPError, match="You don't have the rights to create a model") as elsewhere:
            visitor(hub.url, token).create_repo("alice/new")
        assert elsewhere.value.response.status_code == 403


@pytest.mark.parametrize("wanted", [{"name": ".."}, {"name": "a/b"}, {"name": "a", "type": "else"}, {}, {"name": ""}])
def test_a_repo_cannot_be_called_just_anything(hub: LocalHub, wanted: dict[str, str]) -> None:
    made = httpx2.post(f"{hub.url}/api/repos/create", json=wanted, headers=headers(OWNER))
    moved = httpx2.post(
        f"{hub.url}/api/repos/move",
        json={"fromRepo": OPEN, "toRepo": f"alice/{wanted.get('name', '')}", "type": wanted.get("type")},
        headers=headers(OWNER),
    )
    assert (made.status_code, moved.status_code) == (400, 400)


def test_an_organization_can_ask_for_private_repos(hub: LocalHub) -> None:
    api = visitor(hub.url, OWNER)
    api.create_repo("closed/one")
    api.create_repo("closed/two", visibility="public")
    assert api.model_info("closed/one").private
    assert not api.model_info("closed/two").private


def test_metadata_is_checked_before_anything_is_uploaded(hub: LocalHub) -> None:
    address = f"{hub.url}/api/validate-yaml"
    bad = httpx2.post(address, json={"content": "---\ntags: one\n---\n", "repoType": "model"})
    assert (bad.status_code, bad.json()["errors"]) == (400, [{"message": '"tags" must be an array'}])
    none = httpx2.post(address, json={"content": "no metadata", "repoType": "model"})
    assert (none.status_code, len(none.json()["warnings"])) == (200, 1)


def test_too_many_paths_at_once_are_refused(hub: LocalHub) -> None:
    address = f"{hub.url}{API}/paths-info/main"
    for count, status in ((1_000, 200), (1_001, 413)):
        answer = httpx2.post(address, data={"paths": [f"p{number}" for number in range(count)]})
        assert answer.status_code == status


def test_strangers_propose_changes_and_make_none(hub: LocalHub) -> None:
    assert post_commit(hub, adds("a"), token=STRANGER).status_code == 403
    opened = post_commit(hub, adds("a"), query="?create_pr=1", token=STRANGER)
    assert opened.json()["pullRequestUrl"] == f"{hub.url}/{OPEN}/discussions/1"
    assert post_commit(hub, adds("b"), revision="refs%2Fpr%2F1", token=STRANGER).status_code == 200
    assert hub.files("model", OPEN, "refs/pr/1").keys() == {".gitattributes", "a", "b"}
    assert hub.files("model", OPEN).keys() == {".gitattributes"}
    refs = visitor(hub.url, OWNER).list_repo_refs(OPEN, include_pull_requests=True)
    assert [each.ref for each in refs.branches] == ["refs/heads/main"]
    assert [each.ref for each in refs.pull_requests or []] == ["refs/pr/1"]


def test_a_pull_request_belongs_to_its_author_and_to_the_repo_s_owner(hub: LocalHub) -> None:
    assert visitor(hub.url, OWNER).create_pull_request(OPEN, title="Mine").git_reference == "refs/pr/1"
    assert post_commit(hub, adds("a"), revision="refs%2Fpr%2F1", token=STRANGER).status_code == 403
    assert visitor(hub.url, STRANGER).create_pull_request(OPEN, title="Theirs").git_reference == "refs/pr/2"
    assert post_commit(hub, adds("a"), revision="refs%2Fpr%2F2", token=OWNER).status_code == 200


def test_a_pull_request_whose_first_commit_is_refused_is_not_opened(hub: LocalHub) -> None:
    stale = {"key": "header", "value": {"summary": "s", "parentCommit": "0" * 40}}
    assert post_commit(hub, stale, adds("a"), query="?create_pr=1").status_code == 412
    assert post_commit(hub, adds("a"), query="?create_pr=1").json()["pullRequestUrl"].endswith("/discussions/1")
