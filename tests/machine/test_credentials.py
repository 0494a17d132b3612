"""Texts that hold credentials are not published, and the log never says what was found."""

from __future__ import annotations

import base64
import random
import string
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hf_watch.errors import NotSettledError
from hf_watch.rules.filters import Filter
from hf_watch.snapshots.credentials import KEPT_S, SCANNED_BYTES, Credentials, as_text, is_text
from tests.disk import fill
from tests.engine import RULES, Engine, target_spec
from tests.eventually import eventually
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from pathlib import Path

LETTERS = string.ascii_letters
SEED = random.Random(5)  # noqa: S311  made up here, so that none stands in this file


def made_up(letters: str, count: int) -> str:
    return "".join(SEED.choices(letters, k=count))


FOUND = {
    "huggingface-access-token": f"token = 'hf_{made_up(LETTERS, 34)}'\n",
    "github-pat": f"ghp_{made_up(LETTERS + string.digits, 36)}\n",
    "aws-access-token": f"aws_access_key_id = AKIA{made_up(string.ascii_uppercase + '234567', 16)}\n"
    f"aws_secret_access_key = {made_up(LETTERS + string.digits + '/+', 40)}\n",
    "private-key": f"-----BEGIN RSA PRIVATE {'KEY'}-----\n"
    + "\n".join(made_up(LETTERS + string.digits, 64) for _ in range(12))
    + f"\n-----END RSA PRIVATE {'KEY'}-----\n",
}
CREDENTIALS = Credentials(RULES)


@pytest.mark.parametrize("rule", FOUND)
def test_a_credential_sets_its_file_aside_with_the_rule_s_name(tmp_path: Path, rule: str) -> None:
    fill(tmp_path / "drop", {"notes.txt": FOUND[rule].encode(), "a": b"1"})
    hub = FakeHub()
    with capture_logs() as logs:
        gave_up = Engine(tmp_path, [target_spec(tmp_path / "drop", secrets="block")], hub).sync().gave_up
    assert hub.repo.files == {"incoming/a": b"1"}
    [reason] = gave_up.values()
    assert f": {rule};" in reason
    secret = max(FOUND[rule].split(), key=len).strip("'")
    assert secret not in str(logs)
    assert secret not in reason
    assert secret.encode() not in (tmp_path / "ledger.sqlite3").read_bytes()


def test_a_file_that_is_cleaned_is_published(tmp_path: Path) -> None:
    engine = Engine(tmp_path, [target_spec(tmp_path / "drop", secrets="block")], FakeHub())
    fill(tmp_path / "drop", {"a": FOUND["github-pat"].encode()})
    engine.sync()
    fill(tmp_path / "drop", {"a": b"clean"})
    assert not engine.sync().gave_up
    assert isinstance(engine.hub, FakeHub)
    assert engine.hub.repo.files == {"incoming/a": b"clean"}


@pytest.mark.parametrize(
    "lenient",
    [{"secrets": "warn"}, {"secrets": "off"}, {"secrets": "block", "secrets_allow": Filter(["*.txt"], hidden=True)}],
)
def test_whoever_says_so_publishes_all_the_same(tmp_path: Path, lenient: dict[str, object]) -> None:
    content = FOUND["github-pat"].encode()
    fill(tmp_path / "drop", {"a.txt": content})
    hub = FakeHub()
    with capture_logs() as logs:
        Engine(tmp_path, [target_spec(tmp_path / "drop", **lenient)], hub).sync()
    assert hub.repo.files == {"incoming/a.txt": content}
    assert ("path.suspected" in {each["event"] for each in logs}) == (lenient["secrets"] == "warn")
    assert content.decode().strip() not in str(logs)


def test_large_files_are_looked_into_as_well(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a": b"x\n" * 500_000 + FOUND["github-pat"].encode() + b"y\n" * 900_000})
    engine = Engine(tmp_path, [target_spec(tmp_path / "drop", secrets="block")], FakeHub(), inline_bytes=1 << 10)
    assert len(engine.sync().gave_up) == 1


def test_binaries_and_what_lies_behind_the_first_mib_are_not_looked_at() -> None:
    content = FOUND["github-pat"].encode()
    assert CREDENTIALS.rule(content) == "github-pat"
    assert CREDENTIALS.rule(b"\0" + content) is None
    assert CREDENTIALS.rule(b"x\n" * (SCANNED_BYTES // 2) + content) is None


@settings(max_examples=60)
@given(st.binary(max_size=400), st.sampled_from([base64.b64encode, base64.b32encode, base64.b16encode]))
def test_what_merely_looks_random_is_no_credential(content: bytes, encode: object) -> None:
    assert CREDENTIALS.rule(encode(content)) is None  # type: ignore[operator]


def test_random_bytes_are_no_text_and_cost_no_rules(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "rules")
    beginning = bytes(number % 255 + 1 for number in range(2_000))  # no NUL
    assert credentials.rule(beginning) is None
    assert not (tmp_path / "rules").exists()


def test_rules_that_cannot_be_kept_are_used_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"no directory")
    assert Credentials(tmp_path / "state" / "rules").rule(FOUND["github-pat"].encode()) == "github-pat"


def test_what_has_a_few_odd_characters_is_a_text() -> None:
    assert is_text("größe\t1\r\n\x1b[1mloud\x1b[0m\n".encode())
    assert is_text("gr\xf6\xdfe".encode("latin-1"))
    assert is_text(b"")
    assert not is_text(b"text\0")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_text_in_utf_16_is_looked_into_where_it_says_so(encoding: str) -> None:
    text = f"größe\r\n{FOUND['github-pat']}".encode(encoding)
    mark = "\ufeff".encode(encoding)
    assert CREDENTIALS.rule(mark + text) == "github-pat"
    assert CREDENTIALS.rule(mark + text + b"x") == "github-pat", "a letter that is cut in two"
    assert CREDENTIALS.rule(text) is None, "nobody can know"
    assert as_text(mark + b"\xd8\xd8" * 9) is None, "no text, whatever it begins with"


def test_the_id_of_a_key_alone_is_no_secret() -> None:
    assert CREDENTIALS.rule(FOUND["aws-access-token"].splitlines()[0].encode()) is None


def _holds_rules(credentials: Credentials) -> bool:
    return credentials._scanner is not None


def test_the_rules_are_given_back_when_no_text_has_come_for_a_while() -> None:
    now = [0.0]
    credentials = Credentials(RULES, lambda: now[0])
    token = FOUND["github-pat"].encode()
    assert credentials.rule(token) is not None
    now[0] += KEPT_S - 1.0
    credentials.rest()
    assert _holds_rules(credentials)
    now[0] += 1.0
    credentials.rest()
    assert not _holds_rules(credentials)
    assert credentials.rule(token) is not None


def _is_compiling() -> bool:
    return any(each.name == "credential rules" for each in threading.enumerate())


def test_a_first_start_compiles_the_rules_before_a_text_comes(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "rules")
    with credentials.compiled_beside():
        eventually(lambda: not _is_compiling(), "the rules are compiled", 120.0)
    made = {each.name for each in (tmp_path / "rules").iterdir()}
    assert made
    assert not _holds_rules(credentials), "they take memory before a text comes"
    with credentials.compiled_beside():
        assert not _is_compiling()
        assert credentials.rule(FOUND["github-pat"].encode()) is not None
    assert {each.name for each in (tmp_path / "rules").iterdir()} == made


def _are_awaited(credentials: Credentials) -> bool:
    return credentials.are_awaited


def test_nobody_waits_for_rules_inside_a_look_at_a_text(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "rules")
    with credentials.compiled_beside():
        assert credentials.rule(b"\0binary") is None
        assert not _are_awaited(credentials)
        with pytest.raises(NotSettledError):
            credentials.rule(b"text")
        assert _are_awaited(credentials)
    assert not _are_awaited(credentials)
    assert credentials.rule(b"text") is None


def test_a_stop_waits_for_no_rules(tmp_path: Path) -> None:
    with Credentials(tmp_path / "rules").compiled_beside():
        assert _is_compiling()
    assert not _is_compiling()
