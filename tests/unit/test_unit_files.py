"""The unit files as `service install` writes them."""

from __future__ import annotations

import pytest

from hf_watch.systemd import unit_files


def test_they_run_the_program_that_installs_them() -> None:
    text = unit_files.rendered(unit_files.template("hf-watch.service"), "/srv/my tools/hf-watch", "/srv/50%.toml")
    assert 'ExecStart="/srv/my tools/hf-watch" run --config /srv/50%%.toml\n' in text
    assert "/opt/hf-watch" not in text


@pytest.mark.parametrize(
    ("path", "quoted"),
    [("/opt/a", "/opt/a"), ("/a b", '"/a b"'), ("/100%", "/100%%"), ('/a"b', '"/a\\"b"'), ("/$HOME", "/$$HOME")],
)
def test_a_path_stays_one_word_and_means_itself(path: str, quoted: str) -> None:
    assert unit_files.quoted(path) == quoted


@pytest.mark.parametrize(("version", "since"), [(252, []), (253, [253]), (257, [253, 254])])
def test_only_what_a_systemd_knows_is_written(version: int, since: list[int]) -> None:
    assert list(unit_files.newer(version)) == [f"50-systemd-{each}.conf" for each in since]
    if 253 in since:
        assert "Type=notify-reload" in unit_files.newer(version)["50-systemd-253.conf"]


def test_the_check_has_the_service_s_properties_and_another_command() -> None:
    text = unit_files.check_unit(unit_files.template("hf-watch.service"), "/run/out", "--json")
    lines = text.splitlines()
    assert lines[lines.index("ExecStart=") + 1] == (
        "ExecStart=/opt/hf-watch/bin/hf-watch check --config %E/hf-watch/hf-watch.toml --json"
    )
    assert "ProtectSystem=strict" in lines
    assert "User=hf-watch" in lines
    assert lines.index("RuntimeDirectory=") > lines.index("RuntimeDirectory=hf-watch")
