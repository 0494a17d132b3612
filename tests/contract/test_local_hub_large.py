"""Large files on the local Hub: Xet both ways, and what is checked of it and of Git LFS."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from hashlib import sha256
from typing import TYPE_CHECKING

import httpx2
import pytest

from hf_watch.local_hub import LocalHub
from tests.running import environment
from tests.visitor import asked, headers, sent_and_fetched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPO, API = "acme/drop", "/api/models/acme/drop"
MIB = 1 << 20
ONE_UPLOAD = """
import sys
from huggingface_hub import HfApi
HfApi().upload_file(path_or_fileobj=sys.argv[1], path_in_repo=sys.argv[2], repo_id=sys.argv[3])
"""


@pytest.fixture(name="hub")
def _hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        hub.create_repo("model", REPO)
        yield hub


def name_of(raw: bytes) -> str:
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


def raw_of(name: str) -> bytes:
    return struct.pack("<4Q", *(int(name[at : at + 16], 16) for at in range(0, 64, 16)))


def xorb_of(content: bytes) -> bytes:
    """A xorb of one chunk, not compressed."""
    length = len(content).to_bytes(3, "little")
    return b"\0" + length + b"\0" + length + content


def shard_of(content: bytes, xorb: str, digest: str) -> bytes:
    """A shard that says: the file with this sha256 is the first chunk of the xorb."""
    last = b"\xff" * 32 + bytes(16)
    file = os.urandom(32) + struct.pack("<II8x", 1 << 30, 1)
    segment = raw_of(xorb) + struct.pack("<IIII", 0, len(content), 0, 1)
    return bytes(48) + file + segment + raw_of(digest) + bytes(16) + last + last


def as_xet(hub: LocalHub) -> dict[str, str]:
    token = httpx2.get(f"{hub.url}{API}/xet-write-token/main", headers=headers()).json()["accessToken"]
    return headers(token)


def commit_large(hub: LocalHub, digest: str, size_bytes: int) -> httpx2.Response:
    line = f'{{"key":"lfsFile","value":{{"path":"f","algo":"sha256","oid":"{digest}","size":{size_bytes}}}}}'
    return httpx2.post(f"{hub.url}{API}/commit/main", content=line.encode(), headers=headers())


def test_a_large_file_goes_there_and_comes_back(hub: LocalHub, tmp_path: Path) -> None:
    content = os.urandom(21 * MIB)  # more than one part
    sent_and_fetched(hub, REPO, content, tmp_path / "cache")
    assert ("GET", 200) in asked(hub, "/v1/reconstructions/")
    assert not asked(hub, "/lfs/")


def test_what_one_client_sent_another_need_not_send(hub: LocalHub, tmp_path: Path) -> None:
    content = os.urandom(4 * MIB)
    received = []
    for number, data in enumerate((content, content + os.urandom(MIB))):
        home = tmp_path / f"home-{number}"  # with its own memory of what was sent
        home.mkdir()
        (home / "f").write_bytes(data)
        command = [sys.executable, "-c", ONE_UPLOAD, str(home / "f"), str(number), REPO]
        subprocess.run(command, env=environment(hub.url, home), check=True, timeout=120, capture_output=True)
        assert hub.read("model", REPO, str(number)) == data
        received.append(hub.xet_bytes_received)
    assert received[0] >= len(content)
    assert received[1] - received[0] < len(content) / 2


def test_an_lfs_object_must_be_what_its_name_says(hub: LocalHub) -> None:
    digest = sha256(b"right").hexdigest()
    address = f"{hub.url}/lfs/{digest}"
    wrong = httpx2.put(address, content=b"wrong")
    assert (wrong.status_code, "sha256" in wrong.json()["error"]) == (400, True)
    assert httpx2.post(f"{address}/verify", json={"oid": digest, "size": 5}).status_code == 404
    assert httpx2.put(address, content=b"right").status_code == 200
    assert httpx2.post(f"{address}/verify", json={"oid": digest, "size": 4}).status_code == 400
    assert httpx2.post(f"{address}/verify", json={"oid": digest, "size": 5}).status_code == 200
    assert commit_large(hub, digest, 4).status_code == 400
    assert commit_large(hub, digest, 5).status_code == 200


def test_parts_must_be_complete_and_make_what_their_name_says(hub: LocalHub) -> None:
    address = f"{hub.url}/lfs/{sha256(b'right').hexdigest()}/parts"
    tags = {number: httpx2.put(f"{address}/{number}", content=part).headers["ETag"] for number, part in ((1, b"ri"),)}
    parts = [{"partNumber": 1, "etag": tags[1]}, {"partNumber": 2, "etag": "none"}]
    assert httpx2.post(address, json={"oid": "", "parts": parts}).json()["error"] == "a part is missing"
    httpx2.put(f"{address}/2", content=b"te")
    assert "sha256" in httpx2.post(address, json={"oid": "", "parts": parts}).json()["error"]
    httpx2.put(f"{address}/2", content=b"ght")
    assert httpx2.post(address, json={"oid": "", "parts": parts}).status_code == 200


@pytest.mark.parametrize("honest", [True, False])
def test_a_xet_file_must_be_what_its_shard_says(hub: LocalHub, *, honest: bool) -> None:
    content, xorb, token = b"the content", "ab" * 32, as_xet(hub)
    digest = sha256(content if honest else b"another").hexdigest()
    assert httpx2.post(f"{hub.url}/v1/xorbs/default/{xorb}", content=xorb_of(content), headers=token).json() == {
        "was_inserted": True
    }
    shard = shard_of(content, xorb, digest)
    assert httpx2.post(f"{hub.url}/v1/shards", content=shard, headers=token).status_code == 200
    answer = commit_large(hub, digest, len(content))
    if honest:
        assert answer.status_code == 200
        assert hub.read("model", REPO, "f") == content
    else:
        assert (answer.status_code, "sha256 of the file is" in answer.json()["error"]) == (400, True)
        assert hub.files("model", REPO).keys() == {".gitattributes"}


def test_a_file_of_a_xorb_that_never_came_is_refused(hub: LocalHub) -> None:
    digest = sha256(b"x").hexdigest()
    shard = httpx2.post(f"{hub.url}/v1/shards", content=shard_of(b"x", "cd" * 32, digest), headers=as_xet(hub))
    assert (shard.status_code, "was never uploaded" in shard.json()["error"]) == (400, True)
    answer = commit_large(hub, digest, 1)
    assert (answer.status_code, "pointed to a file that does not exist" in answer.json()["error"]) == (400, True)


def test_a_file_of_a_xorb_that_was_lost_is_refused(hub: LocalHub, tmp_path: Path) -> None:
    digest, xorb, token = sha256(b"x").hexdigest(), "ab" * 32, as_xet(hub)
    httpx2.post(f"{hub.url}/v1/xorbs/default/{xorb}", content=xorb_of(b"x"), headers=token)
    httpx2.post(f"{hub.url}/v1/shards", content=shard_of(b"x", xorb, digest), headers=token)
    shutil.rmtree(tmp_path / "hub/objects/xorbs")
    answer = commit_large(hub, digest, 1)
    assert (answer.status_code, "pointed to a file that does not exist" in answer.json()["error"]) == (400, True)


def test_what_is_no_xorb_and_no_shard_is_refused_and_not_kept(hub: LocalHub) -> None:
    xorb, token = f"{hub.url}/v1/xorbs/default/{'ab' * 32}", as_xet(hub)
    for body in (b"", xorb_of(b"x" * 100)[:50]):
        assert httpx2.post(xorb, content=body, headers=token).status_code == 400
    assert httpx2.get(xorb).status_code == 404
    for body in (b"", b"x" * 100):
        assert httpx2.post(f"{hub.url}/v1/shards", content=body, headers=token).status_code == 400
    assert httpx2.post(f"{hub.url}/v1/xorbs/default/..", content=b"", headers=token).status_code in {400, 404}


def test_the_content_store_wants_a_token_of_its_own(hub: LocalHub) -> None:
    for method, path in (("POST", "xorbs/default/" + "ab" * 32), ("POST", "shards"), ("GET", "chunks/default/x")):
        assert httpx2.request(method, f"{hub.url}/v1/{path}", headers=headers()).status_code == 401
    assert httpx2.get(f"{hub.url}/v1/reconstructions/{'ab' * 32}", headers=as_xet(hub)).status_code == 404
