from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_watch.errors import ConfigError
from hf_watch.settings import places
from hf_watch.settings.destinations import place_of
from hf_watch.settings.settings import CommitSettings, Settings, TargetSettings
from hf_watch.settings.sources import Loaded, load, sought
from hf_watch.settings.values import MESSAGE_FIELDS, quiet_of
from hf_watch.settings.variables import CLIENT_DEFAULTS, prepare_environment, variables

if TYPE_CHECKING:
    from collections.abc import Iterator

DEST = "hf://datasets/acme/drop/incoming"
TARGET = f'[[target]]\nsource = "/srv/drop"\ndest = "{DEST}"\n'


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No variable of ours, and an empty current directory; whatever a test sets is gone after it."""
    before = dict(os.environ)
    for name in [*variables(), "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", *CLIENT_DEFAULTS]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


def _load(options: dict[str, Any] | None = None, *, toml: str | None = None, dotenv: str | None = None) -> Loaded:
    if toml is not None:
        Path("hf-watch.toml").write_text(toml)
    if dotenv is not None:
        Path(".env").write_text(dotenv)
    return load(options or {}, None, Path(".env"))


def _mistake(options: dict[str, Any] | None = None, *, toml: str | None = None, dotenv: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        _load(options, toml=toml, dotenv=dotenv)
    return str(caught.value)


def _one(loaded: Loaded) -> TargetSettings:
    (target,) = loaded.settings.target
    return target


def test_source_and_dest_from_the_environment_alone_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_WATCH_SOURCE", "/srv/drop")
    monkeypatch.setenv("HF_WATCH_DEST", DEST)
    monkeypatch.setenv("HF_WATCH_QUIET_S", "0.5")
    monkeypatch.setenv("HF_WATCH_EXCLUDE", "*.log,scratch/\n*.bak")
    monkeypatch.setenv("HF_WATCH_HIDDEN", "true")
    target = _one(_load())
    assert (str(target.source), target.dest, target.quiet_s, target.hidden) == ("/srv/drop", DEST, 0.5, True)
    assert target.exclude == ("*.log", "scratch/", "*.bak")


def test_many_targets_in_toml() -> None:
    loaded = _load(toml=TARGET + TARGET.replace("/srv/drop", "/srv/other"))
    assert [str(target.source) for target in loaded.settings.target] == ["/srv/drop", "/srv/other"]
    assert loaded.config == Path("hf-watch.toml")


def test_the_order_is_command_line_environment_dotenv_file_credentials_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    toml = TARGET + "[commit]\nper_hour = 4\nburst = 4\nmax_files = 4\n"
    dotenv = "HF_WATCH_COMMIT__PER_HOUR=3\nHF_WATCH_COMMIT__BURST=3\nHF_WATCH_SHUTDOWN_S=3\n"
    monkeypatch.setenv("HF_WATCH_COMMIT__PER_HOUR", "2")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "hf_watch_shutdown_s").write_text("5")
    (credentials / "hf_watch_log_level").write_text("debug")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    settings = _load(toml=toml, dotenv=dotenv).settings
    assert (settings.commit.per_hour, settings.commit.burst, settings.commit.max_files) == (2, 3, 4)
    assert (settings.shutdown_s, settings.log_level) == (3, "debug")
    assert settings.commit.max_bytes == 64 << 20


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_WATCH_QUIET_S", "2")
    target = _one(_load({"source": "/srv/drop", "dest": DEST, "quiet_s": 1.5, "hidden": None, "exclude": ()}))
    assert target.quiet_s == 1.5


def test_source_and_dest_replace_the_targets_of_the_file() -> None:
    loaded = _load({"source": "/srv/one", "dest": DEST}, toml=TARGET)
    assert str(_one(loaded).source) == "/srv/one"
    assert (loaded.file, loaded.config) == (Path("hf-watch.toml"), None)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (TARGET + "quiet = 2\n", "hf-watch.toml: target[0].quiet is unknown; did you mean quiet_s?"),
        (TARGET + "[comit]\n", "hf-watch.toml: comit is unknown; did you mean commit?"),
        (TARGET + "[commit]\nburts = 2\n", "hf-watch.toml: commit.burts is unknown; did you mean burst?"),
        (TARGET + "quiet_s = -1\n", "target[0].quiet_s = -1: it should be greater than or equal to 0"),
        (TARGET + "quiet_s = nan\n", "target[0].quiet_s = nan: it should be a finite number"),
        (
            TARGET + 'observer = "kqueue"\n',
            "target[0].observer = 'kqueue': it should be 'auto', 'inotify' or 'polling'",
        ),
        (TARGET + "[commit]\nmax_bytes = 'lots'\n", "commit.max_bytes = 'lots': it should be bytes, or a size like"),
        (TARGET + "quiet_s = 99\n", "target[0]: quiet_s = 99 is above max_wait_s = 60"),
        (
            TARGET + 'commit_message = "{file}"\n',
            "target[0].commit_message: {file} is unknown; allowed are {summary}, {files}, {target}",
        ),
        (TARGET + 'commit_message = "{"\n', "target[0].commit_message: '{' cannot be read"),
        (TARGET + "[memory]\ninline_bytes = '1 GiB'\n", "memory: inline_bytes = 1073741824 is above budget_bytes"),
        ("[[target]]\ndest = 'hf://a/b'\n", "hf-watch.toml: target[0].source is missing"),
        ("target = 3\n", "target = 3"),
        (TARGET.replace("[[target]]", "[target]"), "hf-watch.toml: write [[target]] instead of [target]: there may be"),
        (
            TARGET + "log_level = 'info'\n",
            "hf-watch.toml: target[0].log_level is unknown; log_level belongs above the first table",
        ),
        (
            TARGET + "[commit]\nshutdown_s = 3\n",
            "hf-watch.toml: commit.shutdown_s is unknown; shutdown_s belongs above the first table",
        ),
        (
            TARGET + "path_in_repo = '../{relpath}'\n",
            "target[0].path_in_repo: '../{relpath}' has a segment that the Hub",
        ),
        (TARGET + "path_in_repo = '{name}/.git'\n", "target[0].path_in_repo: '{name}/.git' has a segment that the Hub"),
        (
            TARGET + "group = 'directory'\nready_marker = 'a/b'\n",
            "target[0].ready_marker: 'a/b': it should be the name of a file",
        ),
        (TARGET + "ready_marker = 'DONE'\n", "target[0]: ready_marker = 'DONE' says when a group is complete"),
        ("quiet_s = 3\n", "hf-watch.toml: quiet_s belongs in a [[target]] table"),
        ("[[target]\n", "hf-watch.toml: not TOML"),
        (f"x = {'9' * 5_000}\n", "hf-watch.toml: not TOML"),
        (f"x = {'[' * 50_000}\n", "hf-watch.toml: not TOML"),
        (TARGET + '"a\\nb" = 1\n', "target[0].a\\nb is unknown"),
        (TARGET.replace("/srv/drop", ""), "target[0].source: '' names no directory"),
        (TARGET.replace("/srv/drop", "a\\u0000b"), "target[0].source: 'a\\x00b' names no directory"),
        (TARGET.replace("/srv/drop", "~nobody-here/x"), "target[0].source: '~nobody-here/x': nobody of that name"),
        (TARGET + 'exclude = ["*.log", "[z-a]"]\n', "target[0].exclude: '[z-a]' is no gitignore pattern"),
        (TARGET + "exclude = '[\"*.log\"'\n", "target[0].exclude: it should be patterns with commas"),
        (TARGET + "max_wait_s = 1e300\n", "target[0].max_wait_s = 1e+300: it should be less than or equal to 31536000"),
        (TARGET + 'commit_message = "{files:>9}"\n', "target[0].commit_message: {files} takes no format"),
        (TARGET + 'commit_message = "\\u0000"\n', "target[0].commit_message: '\\x00' holds a NUL"),
        ('state_dir = ""\n' + TARGET, "state_dir: '' names no directory"),
        ("commit = 3\n" + TARGET, "commit = 3"),
        (TARGET + "quiet_s = true\n", "hf-watch.toml: target[0].quiet_s = True: it should be a number"),
        (TARGET + 'quiet_s = "0.5"\n', "target[0].quiet_s = '0.5': it should be a number"),
        (TARGET + 'hidden = "true"\n', "target[0].hidden = 'true': it should be true or false"),
        (TARGET + "publish_open = 1\n", "target[0].publish_open = 1: it should be true or false"),
        (TARGET + "[commit]\nmax_files = 10.0\n", "commit.max_files = 10.0: it should be a whole number"),
        (TARGET + "max_size = true\n", "target[0].max_size = True: it should be bytes, or a size like 64 MiB"),
        ("shutdown_s = false\n" + TARGET, "hf-watch.toml: shutdown_s = False: it should be a number"),
    ],
)
def test_a_mistake_in_toml_is_a_line_with_key_value_and_what_is_allowed(toml: str, said: str) -> None:
    text = _mistake(toml=toml)
    assert said in text
    assert "\n" not in text


def test_a_whole_number_in_toml_is_a_number_and_a_size_may_be_a_text() -> None:
    settings = _load(toml=TARGET + 'quiet_s = 2\nmax_size = "3 MiB"\n[commit]\nper_hour = 5\n').settings
    assert (settings.target[0].quiet_s, settings.target[0].max_size, settings.commit.per_hour) == (2.0, 3 << 20, 5.0)


@pytest.mark.parametrize("from_dotenv", [False, True])
def test_a_variable_is_text_and_means_what_it_says(monkeypatch: pytest.MonkeyPatch, *, from_dotenv: bool) -> None:
    said = {"COMMIT__MAX_FILES": "7", "COMMIT__PER_HOUR": "2.5", "HTTP__FETCH_PRIVATE": "true", "SHUTDOWN_S": "3",
            "MEMORY__INLINE_BYTES": "1 MiB"}  # fmt: skip
    if not from_dotenv:
        for name, value in said.items():
            monkeypatch.setenv(f"HF_WATCH_{name}", value)
    dotenv = "".join(f"HF_WATCH_{name}={value}\n" for name, value in said.items()) if from_dotenv else ""
    settings = _load(toml=TARGET + "[commit]\nmax_files = 9\n", dotenv=dotenv).settings
    assert (settings.commit.max_files, settings.commit.per_hour, settings.shutdown_s) == (7, 2.5, 3.0)
    assert settings.http.fetch_private is True
    assert settings.memory.inline_bytes == 1 << 20


BY_SIZE = {"0": 1.0, "1 GiB": 30.0}


@pytest.mark.parametrize("way", ["toml", "table", "environment", "dotenv", "option"])
def test_quiet_s_may_be_a_table_by_size_wherever_it_is_said(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    as_json = json.dumps(BY_SIZE)
    options = {"source": "/srv/drop", "dest": DEST}
    if way == "toml":
        loaded = _load(toml=TARGET + 'quiet_s = { 0 = 1, "1 GiB" = 30 }\n')
    elif way == "table":
        loaded = _load(toml=TARGET + '[target.quiet_s]\n0 = 1\n"1 GiB" = 30\n')
    elif way == "environment":
        monkeypatch.setenv("HF_WATCH_QUIET_S", as_json)
        loaded = _load(options)
    elif way == "dotenv":
        loaded = _load(options, dotenv=f"HF_WATCH_QUIET_S='{as_json}'\n")
    else:
        loaded = _load({**options, "quiet_s": as_json})
    found = _one(loaded)
    assert quiet_of(found.quiet_s).steps == ((0, 1.0), (1 << 30, 30.0))
    assert json.loads(found.model_dump_json())["quiet_s"] == BY_SIZE


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('{ "1 GiB" = 30 }', 'it should say what files of "0" bytes wait'),
        ("{}", 'it should say what files of "0" bytes wait'),
        ('{ 0 = 1, "lots" = 30 }', "'lots' is no number of bytes, nor a size like 64 MiB"),
        ('{ 0 = 1, "-1" = 30 }', "'-1' is no number of bytes"),
        ('{ 0 = 1, "0 B" = 30 }', "it names one size twice"),
        ("{ 0 = -1 }", "target[0].quiet_s = -1: it should be greater than or equal to 0"),
        ("{ 0 = true }", "target[0].quiet_s = True: it should be a number"),
        ('{ 0 = 1, "1 GiB" = 61 }', "quiet_s = 61 is above max_wait_s = 60"),
        ("[1]", "target[0].quiet_s = [1]: it should be a number"),
    ],
)
def test_a_table_by_size_that_says_nothing_sensible_is_refused(value: str, said: str) -> None:
    assert said in _mistake(toml=f"{TARGET}quiet_s = {value}\n")


def test_a_table_by_size_that_is_no_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_WATCH_QUIET_S", "{0: 1}")
    said = _mistake({"source": "/srv/drop", "dest": DEST})
    assert said == 'HF_WATCH_QUIET_S: it should be seconds, or JSON like {"0": 1, "1 GiB": 30}'


def test_the_schema_says_that_quiet_s_is_a_number_or_a_table_of_numbers() -> None:
    schema = TargetSettings.model_json_schema()["properties"]["quiet_s"]
    assert schema["default"] == 1.0
    assert [each["type"] for each in schema["anyOf"]] == ["number", "object"]
    assert schema["anyOf"][1]["additionalProperties"]["type"] == "number"


def test_a_file_that_is_not_utf_8_or_not_there_is_a_line(tmp_path: Path) -> None:
    Path("hf-watch.toml").write_bytes(b"\xff\xfe")
    assert "not TOML" in _mistake()
    with pytest.raises(ConfigError, match="cannot be read"):
        load({}, tmp_path / "nowhere.toml", Path(".env"))


def test_an_unknown_variable_is_named_with_the_nearest_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _mistake(dotenv="HF_WATCH_SOURC=/x\nOTHER=1\n") == (
        ".env: HF_WATCH_SOURC is unknown; did you mean HF_WATCH_SOURCE?"
    )
    Path(".env").unlink()
    monkeypatch.setenv("HF_WATCH_COMMIT_PER_HOUR", "3")
    assert _mistake() == ("environment: HF_WATCH_COMMIT_PER_HOUR is unknown; did you mean HF_WATCH_COMMIT__PER_HOUR?")


def test_what_is_not_utf_8_or_not_printable_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "DEST: 'hf://a/b/\\udcff' is not UTF-8" in _mistake({"source": "/x", "dest": "hf://a/b/\udcff"})
    monkeypatch.setenv("HF_WATCH_A\nB", "1")
    assert _mistake().startswith("environment: HF_WATCH_A\\nB is unknown")


def test_a_wrong_value_names_the_variable_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_WATCH_SHUTDOWN_S", "soon")
    assert _mistake(toml=TARGET).startswith("HF_WATCH_SHUTDOWN_S = 'soon': it should be a number")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"HF_FOO=\xff", ".env: it is not UTF-8"),
        (b'HF_FOO="a\0b"', ".env: HF_FOO holds a NUL"),
        (b"A=1\nHF_WATCH_QUIET_S 3\n", ".env: line 2 cannot be read; it should be NAME=value"),
        (b"HF_WATCH_QUIET_S\n", ".env: HF_WATCH_QUIET_S has no value; it should be HF_WATCH_QUIET_S=value"),
    ],
)
def test_a_dotenv_that_cannot_be_read_is_a_line(content: bytes, said: str) -> None:
    Path(".env").write_bytes(content)
    assert _mistake() == said
    with pytest.raises(ConfigError, match=said):
        prepare_environment(Path(".env"))


def test_what_a_dotenv_holds_for_other_programs_is_ignored() -> None:
    dotenv = "OTHER\n= 3\nsome text\nexport HF_WATCH_POLL_S=7\n"
    assert _one(_load({"source": "/srv/drop", "dest": DEST}, dotenv=dotenv)).poll_s == 7.0


def test_a_pattern_in_a_variable_may_begin_with_a_bracket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_WATCH_EXCLUDE", "[Tt]humbs*, *.log")
    assert _one(_load({"source": "/srv/drop", "dest": DEST})).exclude == ("[Tt]humbs*", "*.log")
    monkeypatch.setenv("HF_WATCH_EXCLUDE", '[ "a,b" ]')
    assert _one(_load({"source": "/srv/drop", "dest": DEST})).exclude == ("a,b",)


def test_a_home_directory_may_be_written_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert _one(_load({"source": "~/drop", "dest": DEST})).source == Path("/home/somebody/drop")


def test_half_a_target_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_WATCH_QUIET_S", "3")
    assert (
        _mistake(toml=TARGET) == "HF_WATCH_QUIET_S is for one target, given by SOURCE and DEST, and SOURCE is missing"
    )


def test_nothing_to_watch_says_what_to_give() -> None:
    assert _mistake().startswith("nothing to watch: give SOURCE and DEST")


def test_dotenv_sets_what_the_client_reads_but_never_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://from-environment")
    monkeypatch.delenv("HF_HOME", raising=False)
    Path(".env").write_text("HF_ENDPOINT=http://from-file\nHF_HOME=/from/file\nOTHER_THING=1\nHF_WATCH_QUIET_S=1\n")
    prepare_environment(Path(".env"))
    assert os.environ["HF_ENDPOINT"] == "http://from-environment"
    assert os.environ["HF_HOME"] == "/from/file"
    assert "OTHER_THING" not in os.environ
    assert "HF_WATCH_QUIET_S" not in os.environ
    assert os.environ["HF_XET_TELEMETRY_ENABLED"] == "false"
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_settings_are_frozen() -> None:
    target = _one(_load(toml=TARGET))
    with pytest.raises(ValueError, match="frozen"):
        target.quiet_s = 3.0


_KEYS = st.text(max_size=4) | st.sampled_from(
    sorted({*TargetSettings.model_fields, *Settings.model_fields, *CommitSettings.model_fields, "inline_bytes"})
)
SCALARS = (
    st.text(max_size=6)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.sampled_from(
        ["/srv/drop", DEST, "~", "~x/y", "\udcff", "\0", "[z-a]", '["a"', "{files:d}", "1 GiB", "inf", ""]
    )
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3))


def _settings_or_a_mistake(options: dict[str, Any], config: Path | None, env_file: Path = Path("no.env")) -> None:
    """Whatever is given: settings that can be used, or a line a mistake."""
    try:
        loaded = load(options, config, env_file)
        places.check(loaded.settings, {"state_dir": places.state_dir_of(loaded.settings, loaded.config)})
        said = "nothing"
    except ConfigError as error:
        said = str(error)
    assert all(line.isprintable() and line for line in said.split("\n"))


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(sorted(TargetSettings.model_fields)), VALUES))
def test_whatever_the_command_line_says_it_is_read_or_refused(values: dict[str, Any]) -> None:
    _settings_or_a_mistake({"source": "/srv/drop", "dest": DEST, **values}, None)


def _toml_of(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_of(str(key))} = {_toml_of(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_of, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("NaN", "nan").replace("Infinity", "inf")


@settings(max_examples=50)
@given(st.dictionaries(_KEYS, VALUES, max_size=4), st.dictionaries(_KEYS, VALUES, max_size=4))
def test_whatever_a_toml_file_says_it_is_read_or_refused(top: dict[str, Any], target: dict[str, Any]) -> None:
    tables = {"target": [{"source": "/srv/drop", "dest": DEST} | target], **top}
    text = "".join(f"{_toml_of(key)} = {_toml_of(value)}\n" for key, value in tables.items())
    Path("fuzzed.toml").write_text(text, errors="surrogateescape")
    _settings_or_a_mistake({}, Path("fuzzed.toml"))


@settings(max_examples=30)
@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode(errors="surrogateescape")))
def test_whatever_the_files_hold_they_are_read_or_refused(content: bytes) -> None:
    Path("fuzzed.toml").write_bytes(content)
    _settings_or_a_mistake({"source": "/srv/drop", "dest": DEST}, Path("fuzzed.toml"))
    Path("fuzzed.env").write_bytes(content)
    _settings_or_a_mistake({"source": "/srv/drop", "dest": DEST}, None, Path("fuzzed.env"))


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(sorted(variables())), SCALARS.map(str), max_size=5))
def test_whatever_the_environment_says_it_is_read_or_refused(values: dict[str, str]) -> None:
    values = {name: value for name, value in values.items() if "\0" not in value}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        _settings_or_a_mistake({}, None)


@given(st.text())
def test_any_message_template_is_refused_or_makes_a_message(template: str) -> None:
    try:
        target = TargetSettings(source=Path("/x"), dest=DEST, commit_message=template)
    except ValueError:
        return
    assert target.commit_message.format(**MESSAGE_FIELDS).strip()


@pytest.mark.parametrize(
    ("dest", "repo_type", "repo_id", "revision", "prefix"),
    [
        ("hf://acme/m", "model", "acme/m", "main", ""),
        ("hf://datasets/acme/drop@main/incoming/", "dataset", "acme/drop", "main", "incoming"),
        ("hf://spaces/acme/app@feature%2Fx/a/b", "space", "acme/app", "feature/x", "a/b"),
    ],
)
def test_destinations_are_what_the_hub_s_own_tools_take(
    dest: str, repo_type: str, repo_id: str, revision: str, prefix: str
) -> None:
    place = place_of(dest, "http://hub")
    found = place.destination
    assert (found.endpoint, found.repo_type, found.repo_id, found.revision) == (
        "http://hub",
        repo_type,
        repo_id,
        revision,
    )
    assert place.prefix == prefix


@pytest.mark.parametrize(
    ("dest", "said"),
    [
        ("hf://buckets/acme/b", "a bucket is not yet supported"),
        ("hf://kernels/acme/k", "a kernel is not yet supported"),
        ("hf://acme", "repository id must be 'namespace/name'"),
        ("s3://acme/b", "'s3://acme/b': it should be hf://[datasets/|spaces/]OWNER/NAME"),
        ("x/y", "'x/y': it should be hf://[datasets/|spaces/]OWNER/NAME"),
        ("hf://dataset/acme/drop/x", "Did you mean 'datasets/'?; it should be hf://"),
        ("", "'': it should be"),
        ("hf://datasets/acme/drop/../x", "the Hub refuses this path"),
        ("hf://datasets/acme/drop/.git/x", "the Hub refuses this path"),
    ],
)
def test_other_destinations_are_refused_in_one_line(dest: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place_of(dest, "http://hub")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def _places_mistake(toml: str, written: dict[str, Path]) -> str:
    loaded = _load(toml=toml)
    with pytest.raises(ConfigError) as caught:
        places.check(loaded.settings, written, loaded.origins)
    return str(caught.value)


def _target(source: Path, dest: str = DEST) -> str:
    return f'[[target]]\nsource = "{source}"\ndest = "{dest}"\n'


@pytest.mark.parametrize(
    ("way", "name"),
    [("toml", "hf-watch.toml: target[0].{}"), ("environment", "HF_WATCH_{}"), ("dotenv", ".env: HF_WATCH_{}"),
     ("arguments", "{}")],
)  # fmt: skip
def test_a_wrong_source_and_dest_are_named_as_they_were_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str, name: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    if way == "environment":
        monkeypatch.setenv("HF_WATCH_SOURCE", str(file))
        monkeypatch.setenv("HF_WATCH_DEST", "x/y")
    loaded = _load(
        {"source": str(file), "dest": "x/y"} if way == "arguments" else {},
        toml=_target(file, "x/y") if way == "toml" else None,
        dotenv=f"HF_WATCH_SOURCE={file}\nHF_WATCH_DEST=x/y\n" if way == "dotenv" else None,
    )
    source, dest = (name.format(key if way == "toml" else key.upper()) for key in ("source", "dest"))
    with pytest.raises(ConfigError) as caught:
        places.check(loaded.settings, {"state_dir": file / "state"}, loaded.origins)
    no_directory, no_uri, fed_back = str(caught.value).splitlines()
    assert no_directory == f"{source} = '{file}': it is a file; it should be a directory"
    assert no_uri.startswith(f"{dest} = 'x/y': it should be hf://[datasets/|spaces/]OWNER/NAME[@REVISION][/PATH], like")
    assert fed_back.startswith(f"state_dir = '{file}/state': it lies inside {source.rpartition(': ')[2]}, and what is")


def test_what_does_not_go_together_is_named_as_it_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"source": "/srv/drop", "dest": DEST}
    assert _mistake({**given, "quiet_s": "99"}).startswith("--quiet-s: quiet_s = 99 is above max_wait_s = 60")
    monkeypatch.setenv("HF_WATCH_MEMORY__INLINE_BYTES", "1GiB")
    assert _mistake(given).startswith("HF_WATCH_MEMORY__INLINE_BYTES: inline_bytes = 1073741824 is above budget_bytes")


def test_directories_that_would_feed_each_other_are_refused(tmp_path: Path) -> None:
    outer, inner, file = tmp_path / "outer", tmp_path / "outer/inner", tmp_path / "file"
    inner.mkdir(parents=True)
    file.write_text("")
    assert "it is a file" in _places_mistake(_target(file), {})
    assert "target[1].source" in _places_mistake(_target(outer) + _target(inner, "hf://acme/other"), {})
    assert "the same source and dest as target[0]" in _places_mistake(_target(outer) + _target(outer), {})
    assert "would be published" in _places_mistake(_target(outer), {"state_dir": outer / "state"})
    (tmp_path / "link").symlink_to(outer)
    assert "would be published" in _places_mistake(_target(tmp_path / "link"), {"state_dir": outer / "state"})
    assert "hf-watch.toml: target[0].dest = 'hf://nonsense'" in _places_mistake(_target(outer, "hf://nonsense"), {})


def test_a_place_that_cannot_be_looked_at_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for source in (tmp_path / "loop", tmp_path / ("long" * 100), tmp_path / "\udcff"):
        loaded = _load({"source": str(source), "dest": DEST})
        places.check(loaded.settings, {"state_dir": tmp_path / "state"})
        assert places.state_dir_of(loaded.settings, loaded.config).parent == tmp_path / "state/hf-watch"
        assert [name.isprintable() for name, _ in loaded.settings.named_targets()] == [True]


def test_one_directory_may_go_to_two_places_and_may_be_missing(tmp_path: Path) -> None:
    settings = _load(toml=_target(tmp_path / "drop") + _target(tmp_path / "drop", "hf://acme/other")).settings
    places.check(settings, {"state_dir": tmp_path / "state"})
    assert [name for name, _ in settings.named_targets()] == ["drop", "drop-2"]


def test_each_configuration_has_a_state_directory_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def state_dir(dest: str, **options: Any) -> Path:
        loaded = _load({"source": str(tmp_path / "drop"), "dest": dest, **options})
        return places.state_dir_of(loaded.settings, loaded.config)

    assert state_dir(DEST) == state_dir(DEST)
    assert state_dir(DEST) != state_dir("hf://acme/other")
    assert state_dir(DEST).parent == tmp_path / "state/hf-watch"
    assert state_dir(DEST, state_dir=tmp_path / "here") == tmp_path / "here"
    one_target, two_targets = _load(toml=TARGET), _load(toml=TARGET + TARGET.replace("/srv/drop", "/srv/more"))
    in_file = places.state_dir_of(one_target.settings, one_target.config)
    assert places.state_dir_of(two_targets.settings, two_targets.config) == in_file
    assert state_dir(DEST) not in {in_file, state_dir("hf://acme/other")}
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/hf-watch:/other")
    assert state_dir(DEST).parent == Path("/var/lib/hf-watch")


def test_all_states_of_a_user_have_one_place_for_compiled_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KF_RULE_CACHE_DIR")
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/me/.cache")
    assert places.rules_dir() == Path("/home/me/.cache/hf-watch/rules")
    monkeypatch.setenv("CACHE_DIRECTORY", "/var/cache/hf-watch:/other")
    assert places.rules_dir() == Path("/var/cache/hf-watch/rules")
    monkeypatch.setenv("KF_RULE_CACHE_DIR", "/elsewhere")
    assert places.rules_dir() == Path("/elsewhere")


def test_a_daemon_is_found_where_the_settings_would_keep_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    def agree(options: dict[str, Any]) -> None:
        loaded, found = load(options, None, Path(".env")), sought(options, None, Path(".env"))
        target = (found.source, found.dest) if found.source is not None and found.dest is not None else None
        where = places.state_dirs_to_look_in(found.state_dir, found.config, target)
        assert where[0] == places.state_dir_of(loaded.settings, loaded.config)

    agree({"source": "~/drop", "dest": DEST})
    Path("hf-watch.toml").write_text(TARGET)
    agree({})
    agree({"source": "drop", "dest": DEST})
    Path("hf-watch.toml").write_text("state_dir = '~/state'\n" + TARGET)
    agree({})
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/another:/var/lib/second")
    agree({"source": "drop", "dest": DEST, "state_dir": "here"})
    Path("hf-watch.toml").write_text("shutdown_s = 1\n")
    monkeypatch.setenv("HF_WATCH_SOURCE", "drop")
    Path(".env").write_text(f"HF_WATCH_DEST={DEST}\n")
    agree({})


def test_without_a_target_any_daemon_of_the_user_will_do(tmp_path: Path) -> None:
    Path("hf-watch.toml").write_text("shutdown_s = 1\n")
    found = sought({}, None, Path(".env"))
    assert places.state_dirs_to_look_in(found.state_dir, found.config, None)[0] == tmp_path / "state/hf-watch"


def test_half_a_target_finds_nobody() -> None:
    with pytest.raises(ConfigError, match="SOURCE is for one target, given by SOURCE and DEST, and DEST is missing"):
        sought({"source": "drop"}, None, Path(".env"))


SAID = [
    ("touch x", ("touch", "x")),
    ("notify 'a b' \"c\"", ("notify", "a b", "c")),
    ('["sh", "-c", "date > x"]', ("sh", "-c", "date > x")),
]


@pytest.mark.parametrize(("text", "arguments"), SAID)
def test_a_command_is_a_list_or_a_text_wherever_it_is_said(
    monkeypatch: pytest.MonkeyPatch, text: str, arguments: tuple[str, ...]
) -> None:
    in_toml = text if text.startswith("[") else json.dumps(text)
    assert _load(toml=f"{TARGET}[hooks]\non_published = {in_toml}\n").settings.hooks.on_published == arguments
    monkeypatch.setenv("HF_WATCH_HOOKS__ON_PUBLISHED", text)
    monkeypatch.setenv("HF_WATCH_HTTP__HOSTS", "a.example, b.example")
    Path(".env").write_text(f"HF_WATCH_HOOKS__ON_DEGRADED={json.dumps(text)}\n")
    settings = _load(toml=TARGET).settings
    assert (settings.hooks.on_published, settings.http.hosts) == (arguments, ("a.example", "b.example"))
    assert settings.hooks.on_degraded == arguments


@pytest.mark.parametrize(
    ("text", "needed"),
    [("date > x", ">"), ("a | b", "|"), ("rm *.tmp", "*"), ("echo $HOME", "$"), ("~/bin/x", "~"), ("a && b", "&")],
)
def test_a_command_that_needs_a_shell_is_refused_with_a_hint(text: str, needed: str) -> None:
    said = _mistake(toml=f'{TARGET}[hooks]\non_published = "{text}"\n')
    assert said == (
        f"hf-watch.toml: hooks.on_published: {text!r}: no shell runs it, to which {needed!r} would mean something;"
        ' it should be a list of arguments, like ["sh", "-c", "…"]'
    )


def test_a_command_that_cannot_be_parted_is_refused() -> None:
    for text in ("it's", "[1"):
        assert 'it should be a list of arguments, like ["sh"' in _mistake(
            toml=f'{TARGET}[hooks]\non_degraded = "{text}"\n'
        )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"HF_WATCH_QUIET_S 3\nHF_WATCH_STATE_DIR=here\n", ".env: line 1 cannot be read"),
        (b"HF_WATCH_QUIET_S\nHF_WATCH_STATE_DIR=here\n", ".env: HF_WATCH_QUIET_S has no value"),
        (b"HF_WATCH_DEST x\nHF_WATCH_SOURCE=drop\nHF_WATCH_STATE_DIR=here\n", ".env: line 1 cannot be read"),
        (b"HF_WATCH_STATE_DIR=here\n\xff", ".env: it is not UTF-8"),
    ],
)
def test_a_daemon_is_sought_by_what_can_be_read_of_a_dotenv(content: bytes, said: str) -> None:
    Path(".env").write_bytes(content)
    found = sought({}, None, Path(".env"))
    assert found.state_dir == (None if b"\xff" in content else Path("here"))
    assert said in (found.mistake or "")
    with pytest.raises(ConfigError, match=said):
        load({"source": "drop", "dest": DEST}, None, Path(".env"))
