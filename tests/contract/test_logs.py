from __future__ import annotations

import io
import json
import logging
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from hf_watch.logs import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "hf_" + "AbCdEfGh" * 4
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with warnings.catch_warnings():  # puts back what shows them
        yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _logged(level: str = "info", *, readable: bool = False) -> tuple[io.StringIO, Any]:
    stream = io.StringIO()
    logs.configure(level, stream, readable=readable)
    return stream, structlog.get_logger()


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_its_fields() -> None:
    stream, log = _logged()
    log.info("commit.recorded", files=3, bytes=10, url=None)
    (line,) = _lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "commit.recorded", "level": "info", "files": 3, "bytes": 10}


def test_the_level_is_kept() -> None:
    stream, log = _logged("warning")
    log.info("quiet")
    log.warning("loud")
    assert [line["event"] for line in _lines(stream)] == ["loud"]


def test_the_libraries_loggers_come_out_of_the_same_door() -> None:
    library = logging.getLogger("huggingface_hub.some.module")
    logging.getLogger("huggingface_hub").addHandler(logging.StreamHandler())
    stream, _ = _logged()
    library.warning("careful with %s", TOKEN)
    library.info("chatter")
    found = _lines(stream)
    assert found[0]["event"] == "careful with [removed]"
    assert found[0]["logger"] == "huggingface_hub.some.module"
    assert len(found) == 1
    assert not logging.getLogger("huggingface_hub").handlers


def test_a_warning_of_a_library_is_one_plain_event() -> None:
    stream, _ = _logged()
    warnings.simplefilter("always")
    warnings.warn(f"old {TOKEN}", DeprecationWarning, stacklevel=1)
    [found] = _lines(stream)
    where = found.pop("path")
    assert where.startswith(f"{__file__}:")
    assert {**found, "timestamp": ""} == {
        "event": "warning.raised", "level": "warning", "kind": "DeprecationWarning", "reason": "old [removed]",
        "timestamp": "",
    }  # fmt: skip


@pytest.mark.parametrize("readable", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        f"got {TOKEN} from",
        f"Authorization: Bearer {TOKEN[3:]}",
        f"authorization='Basic {TOKEN[3:]}'",
        f"http://user:{TOKEN[3:]}@hub/x",
        f'{{"accessToken": "{TOKEN[3:]}"}}',
        f"?token={TOKEN[3:]}&x=1",
        f"X-Amz-Signature={TOKEN[3:]}",
        f"xet {JWT}",
    ],
)
def test_what_looks_like_a_token_is_removed_wherever_it_stands(text: str, readable: bool) -> None:
    stream, log = _logged(readable=readable)
    log.info(text, field=text, nested={"list": [text, (text,)], text: 1}, other=ValueError(text))
    log.error("failed", exc_info=RuntimeError(text))
    assert TOKEN[3:] not in stream.getvalue()
    assert JWT not in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()


def test_a_field_named_like_a_secret_shows_nothing() -> None:
    stream, log = _logged()
    log.info("x", token="plain-words", api_key="k", password={"a": 1}, tokens=3)  # noqa: S106  it is what is tested
    (line,) = _lines(stream)
    assert (line["token"], line["api_key"], line["password"]) == ("[removed]",) * 3
    assert line["tokens"] == 3


@given(st.text(ALPHABET, min_size=20, max_size=40), st.text(), st.text())
def test_a_known_secret_never_comes_through(secret: str, before: str, after: str) -> None:
    logs.redact(secret)
    assert secret not in logs.redacted(f"{before}{secret}{after}")


@given(st.text(ALPHABET, min_size=12, max_size=40), st.sampled_from(["hf_", "Bearer ", "token=", "api_org_"]))
def test_tokens_of_every_length_go(secret: str, announced: str) -> None:
    assert secret not in logs.redacted(f"x {announced}{secret} y")


@given(st.dictionaries(st.text(min_size=1), st.text() | st.binary() | st.integers() | st.lists(st.text())))
def test_any_field_comes_out_as_one_line_of_json(fields: dict[str, Any]) -> None:
    stream, log = _logged()
    log.info("event", **{f"f_{key}": value for key, value in fields.items()})
    assert len(stream.getvalue().splitlines()) == 1
    assert _lines(stream)[0]["event"] == "event"


def test_names_that_are_not_utf_8_are_escaped_and_cannot_forge_a_line() -> None:
    for readable in (False, True):
        stream, log = _logged(readable=readable)
        log.warning("path.busy", path="bad\udcff\nname")
        assert len(stream.getvalue().splitlines()) == 1
        stream.getvalue().encode()


@pytest.mark.parametrize(
    ("path", "shown", "exact"),
    [
        ("a\udcff\n", "a\\udcff\\n", "a%FF%0A"), ("a\\udcff\\n", "a\\udcff\\n", None), ("ü b", "ü b", None),
        ("\ud800", "\\ud800", None), (f"{TOKEN}\n", "[removed]\\n", None),
    ],
)  # fmt: skip
def test_a_path_that_is_escaped_is_named_exactly_beside_it(path: str, shown: str, exact: str | None) -> None:
    stream, log = _logged()
    log.warning("path.busy", path=path)
    [line] = _lines(stream)
    assert (line["path"], line.get("path_encoded")) == (shown, exact)


class _Gone(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_went_away_stops_nothing() -> None:
    logs.configure("info", _Gone(), readable=False)
    structlog.get_logger().info("still here")
