from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hf_watch.disk.reading import digest_of
from hf_watch.errors import NotSettledError, SourceError
from hf_watch.push import intake
from tests.serving import Handler, website

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.model import Upload

LIMITS = intake.IntakeLimits(inline_bytes=1_000, most_bytes=50_000)
SMALL, LARGE = b"s" * 900, b"l" * 20_000


def _content(upload: Upload) -> bytes:
    held = upload.snapshot.content
    return Path(upload.readable_path).read_bytes() if held is None else held


def _is_whole(upload: Upload, content: bytes) -> None:
    assert _content(upload) == content
    assert upload.snapshot.digest.sha256 == digest_of(content).sha256
    assert upload.snapshot.fingerprint.size_bytes == len(content)
    assert (upload.snapshot.content is None) == (len(content) > LIMITS.inline_bytes)


@pytest.mark.parametrize("content", [b"", SMALL, LARGE])
def test_a_stream_is_taken_whole_in_memory_or_in_a_file_without_a_name(content: bytes) -> None:
    with intake.stream(intake.blocks_of(io.BytesIO(content)), "a/b", LIMITS) as upload:
        assert upload.repo_path == "a/b"
        _is_whole(upload, content)


def test_a_stream_above_the_limit_is_refused() -> None:
    blocks = intake.blocks_of(io.BytesIO(b"x" * 50_001))
    with pytest.raises(SourceError, match="more than 50000 bytes"), intake.stream(blocks, "a", LIMITS):
        pass


@pytest.mark.parametrize("content", [b"", SMALL, LARGE])
def test_a_file_keeps_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.pdf").write_bytes(content)
    with intake.taken(str(tmp_path / "report.pdf"), lambda name: f"docs/{name}", LIMITS, io.BytesIO()) as upload:
        assert upload.repo_path == "docs/report.pdf"
        _is_whole(upload, content)


def test_a_file_that_somebody_writes_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as writer:
        writer.write(SMALL)
        writer.flush()
        with pytest.raises(NotSettledError, match="open for writing"), intake.file(tmp_path / "f", "f", LIMITS):
            pass


def test_a_large_file_that_changes_while_it_is_sent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(LARGE)
    path = tmp_path / "f"
    with pytest.raises(NotSettledError, match="changed while it was sent"), intake.file(path, "f", LIMITS):
        path.write_bytes(LARGE + b"more")


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        with pytest.raises(SourceError), intake.file(path, "f", LIMITS):
            pass


class _Answers(Handler):
    """Plays what the path asks for."""

    def do_GET(self) -> None:
        play: dict[str, Callable[[], None]] = {
            "/small.bin": lambda: self._whole(SMALL),
            "/na%20me.bin?query=1": lambda: self._whole(LARGE),
            "/moved": self._moved,
            "/short": self._short,
            "/huge": lambda: self._announce(10**12),
            "/endless": self._endless,
        }
        play.get(self.path, lambda: self.send_error(404))()

    def _announce(self, size_bytes: int | None) -> None:
        self.send_response(200)
        if size_bytes is not None:
            self.send_header("Content-Length", str(size_bytes))
        self.end_headers()

    def _whole(self, content: bytes) -> None:
        self._announce(len(content))
        self.wfile.write(content)

    def _moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/small.bin")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _short(self) -> None:
        self._announce(len(SMALL))
        self.wfile.write(SMALL[:100])

    def _endless(self) -> None:
        self._announce(None)
        try:
            while True:
                self.wfile.write(LARGE)
        except OSError:
            pass  # the other side had enough


@pytest.fixture(name="server")
def _server() -> Iterator[str]:
    with website(_Answers) as address:
        yield address


def test_a_url_s_content_is_taken_whole_with_its_name(server: str) -> None:
    with intake.taken(f"{server}/na%20me.bin?query=1", lambda name: f"in/{name}", LIMITS, io.BytesIO()) as upload:
        assert upload.repo_path == "in/na me.bin"
        _is_whole(upload, LARGE)
    with intake.url(f"{server}/moved", "in/x", LIMITS) as upload:
        _is_whole(upload, SMALL)


@pytest.mark.parametrize("address", ["ftp://host/x", "http://", "http://[bad/x", "https:///x", "http://a:b/x"])
def test_what_is_no_address_to_fetch_from_is_named_in_one_line(address: str) -> None:
    with (
        pytest.raises(SourceError) as caught,
        intake.taken(address, lambda name: f"in/{name}", LIMITS, io.BytesIO()),
    ):
        pass
    assert str(caught.value).startswith(f"{address}: ")
    assert "\n" not in str(caught.value)


def test_a_refusal_is_the_server_s_words_in_one_line(server: str) -> None:
    with pytest.raises(SourceError) as caught, intake.url(f"{server}/missing", "x", LIMITS):
        pass
    assert str(caught.value) == f"{server}/missing: 404 Not Found"


@pytest.mark.parametrize("path", ["/missing", "/short", "/huge", "/endless"])
def test_what_a_server_does_not_give_whole_is_not_taken(server: str, path: str) -> None:
    with pytest.raises(SourceError), intake.url(server + path, "x", LIMITS):
        pass
