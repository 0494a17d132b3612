"""README, ARCHITECTURE.md, .env.example, the man page say what is in the code; run as a program, this renews them."""

from __future__ import annotations

import ast
import re
import runpy
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

from hf_watch.afterwards.receipts import FileReceipt
from hf_watch.cli.console import checks_json, config_json, explain_json, plan_json, push_json
from hf_watch.cli.main import cli
from hf_watch.control.contract import CommitsView, FilesView, FlushView, StatusView
from hf_watch.inspection.checks import Check, Level
from hf_watch.inspection.explain import Explanation
from hf_watch.inspection.preview import Estimate, Item, Preview
from hf_watch.model import Digest, Fingerprint, Receipt, Snapshot, Upload
from hf_watch.page.metrics import Metrics, Standing
from hf_watch.settings.settings import Settings, TargetSettings
from hf_watch.settings.values import shown
from hf_watch.settings.variables import CLIENT_DEFAULTS, CONFIG_VARIABLE, variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[2]
MAN_PAGE = ROOT / "docs/hf-watch.1"
METRICS = re.compile(r"(?<=<!-- metrics -->\n).*?(?=<!-- /metrics -->)", re.DOTALL)
JSON = re.compile(r"(?<=<!-- json -->\n).*?(?=<!-- /json -->)", re.DOTALL)
TABLE = re.compile(r"(?<=<!-- settings -->\n).*?(?=<!-- /settings -->)", re.DOTALL)
ROOMS = re.compile(r"(?<=<!-- rooms -->\n).*?(?=<!-- /rooms -->)", re.DOTALL)
PACKAGE = ROOT / "daemon/hf_watch"
ECOSYSTEM = {
    "HF_TOKEN": "the token; better: HF_TOKEN_PATH, or `hf auth login`",
    "HF_TOKEN_PATH": "a file with the token",
    "HF_ENDPOINT": "another Hub than https://huggingface.co",
    "HF_HOME": "where the Hub's tools keep caches and the token; large files need it writable",
}
TUNING = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "the client's progress bars",
    "HF_HUB_DISABLE_TELEMETRY": "the client's telemetry",
    "HF_XET_TELEMETRY_ENABLED": "the transfer library's telemetry",
    "HF_XET_CLIENT_AC_MAX_UPLOAD_CONCURRENCY": "parallel parts of one large file; more is faster and takes more memory",
    "HF_XET_DATA_INGESTION_BLOCK_SIZE": "bytes of a large file read at a time",
}


def _field(path: tuple[str, ...]) -> FieldInfo:
    if path[0] == "target":
        return TargetSettings.model_fields[path[1]]
    table: Any = Settings
    for key in path[:-1]:
        table = table.model_fields[key].annotation
    found: FieldInfo = table.model_fields[path[-1]]
    return found


def _default(found: FieldInfo) -> str:
    return "required" if found.is_required() else shown(found.default)


def _cell(text: str | None) -> str:
    """A bar would end a cell of the table."""
    return (text or "").replace("|", "\\|")


def settings_table() -> str:
    rows = ["| setting | variable | default | what it does |", "|---|---|---|---|"]
    for variable, path in variables().items():
        if path:
            found = _field(path)
            rows.append(f"| `{'.'.join(path)}` | `{variable}` | {_default(found)} | {_cell(found.description)} |")
    return "\n".join(rows) + "\n"


def env_example() -> str:
    return "\n".join(_env_lines()) + "\n"


def _env_lines() -> Iterator[str]:
    yield "# Every variable that hf-watch reads. Copy to .env where it is started, and take away the # where"
    yield "# a value is to differ from its default. The environment wins over this file, this file over hf-watch.toml."
    yield ""
    yield "# Shared with every Hub tool"
    for name, text in ECOSYSTEM.items():
        yield f"# {text}"
        yield f"#{name}="
    yield ""
    yield "# hf-watch's own; those of one target take effect with HF_WATCH_SOURCE and HF_WATCH_DEST"
    yield "# the configuration file"
    yield f"#{CONFIG_VARIABLE}="
    for variable, path in variables().items():
        if path:
            found = _field(path)
            yield f"# {found.description}"
            yield f"#{variable}={'' if found.is_required() else shown(found.default)}"
    yield ""
    yield "# Set by hf-watch for the Hub's client unless set already"
    for name, value in CLIENT_DEFAULTS.items():
        yield f"# {TUNING[name]}"
        yield f"#{name}={value}"


def rooms_table() -> str:
    """A line a room, by the layers that the linter keeps; its job is what its docstring begins with."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    rows = ["| room | its job |", "|---|---|"]
    for layer in contract["layers"]:
        names = [name.strip() for name in layer.split("|")]
        rows += [f"| `{name}` | {_job(name)} |" for name in names if not name.startswith("_")]
    return "\n".join(rows) + "\n"


def _job(name: str) -> str:
    folder = PACKAGE / name
    return _first_line(folder / "__init__.py" if folder.is_dir() else PACKAGE / f"{name}.py")


def test_every_module_says_what_it_does() -> None:
    assert not [file for file in PACKAGE.rglob("*.py") if not _first_line(file)]


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def _first_line(file: Path) -> str:
    text = ast.get_docstring(_parsed(file)) or ""
    return text.split("\n", 1)[0].replace("|", "\\|")


def metrics_table() -> str:
    """What the daemon's registry holds, the process's own metrics left out."""
    metrics = Metrics()
    nobody = StatusView(version="", pid=0, state_dir="", health="healthy", problems=(), max_lag_s=0.0, targets=())
    metrics.registry.register(Standing(lambda: nobody, list, lambda: 0.0))
    rows = ["| metric | kind | what it says |", "|---|---|---|"]
    for family in sorted(metrics.registry.collect(), key=lambda family: family.name):
        if family.name.startswith("hf_watch_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            rows.append(f"| `{name}` | {family.type} | {family.documentation} |")
    return "\n".join(rows) + "\n"


def json_table() -> str:
    """A line an object of each answer, with the names of its fields."""
    rows = ["| answer | its fields |", "|---|---|"]
    for answer, sample in _answers():
        rows.append(f"| {answer} | {_names(sample)} |")
        rows += [f"| … {', '.join(sharers)} | {names} |" for names, sharers in _inner(sample).items()]
    return "\n".join(rows) + "\n"


def _answers() -> Iterator[tuple[str, dict[str, Any]]]:
    """What each command prints, with one of everything."""
    item = Item("a", "a", 1, "new")
    preview = Preview("drop", "drop", [item], [item], [item], [item])
    yield "`plan --json`", plan_json([preview], Estimate(1, 1, 1, 0.0, 0.0), None)
    yield "`check --json`", checks_json([Check("settings", Level.OK, "1 target")])
    explanation = Explanation("drop", "a", "a", "", "", "", None, "")
    yield "`explain --json`", explain_json([explanation], None)
    looked, digest = Fingerprint(1, 1, 1, 1), Digest(b"", b"")
    upload = Upload("a", Snapshot("a", looked, digest, b"", 1), "a")
    yield "`push --json`", push_json(upload, Receipt("c", "c", "u"), None)
    settings = Settings.model_validate({"target": [{"source": "drop", "dest": "hf://a/b"}]})
    yield "`config`", dict.fromkeys(config_json(settings, None, Path("state")))
    yield "`status --json`", _example(StatusView)
    yield "`flush --json`", _example(FlushView)
    yield "`history --json`", _example(CommitsView)
    yield "`history PATH --json`", _example(FilesView)
    yield "a receipt", FileReceipt("drop", "a", "", 1, "", "a", None, None, "").as_json()


def _example(model: type[BaseModel]) -> dict[str, Any]:
    """An answer of this shape, with one of everything that has fields of its own."""
    return {name: _example_of(found.annotation) for name, found in model.model_fields.items()}


def _example_of(annotation: Any) -> Any:
    inner = [each for each in get_args(annotation) if isinstance(each, type) and issubclass(each, BaseModel)]
    if not inner:
        return None
    return [_example(inner[0])] if get_origin(annotation) is tuple else _example(inner[0])


def _inner(sample: dict[str, Any]) -> dict[str, list[str]]:
    """The fields of all objects inside, at any depth, with the names of those that have these."""
    found: dict[str, list[str]] = {}
    for name, value in sample.items():
        inside = value[0] if isinstance(value, list) and value else value
        if isinstance(inside, dict):
            found.setdefault(_names(inside), []).append(f"`{name}`" if inside is value else f"each of `{name}`")
            for names, sharers in _inner(inside).items():
                found.setdefault(names, []).extend(sharers)
    return found


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def test_readme_lists_every_field_of_the_json() -> None:
    found = JSON.search((ROOT / "README.md").read_text())
    assert found is not None
    assert found[0] == json_table()


def test_readme_lists_every_metric() -> None:
    found = METRICS.search((ROOT / "README.md").read_text())
    assert found is not None
    assert found[0] == metrics_table()


def test_architecture_lists_every_room_with_its_job() -> None:
    found = ROOMS.search((ROOT / "ARCHITECTURE.md").read_text())
    assert found is not None
    assert found[0] == rooms_table()


EVENT = re.compile(r"[a-z_]+\.[a-z_]+")
TELLS = frozenset({"info", "warning", "error", "critical", "exception", "tell"})  # of a logger, and of a journal


def _events(file: Path) -> Iterator[str]:
    """The names of what a module logs, but for what is logged to find faults with."""
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TELLS:
            texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
            yield from (text for text in texts if isinstance(text, str) and EVENT.fullmatch(text))


def test_readme_tells_an_operator_of_every_event() -> None:
    readme = (ROOT / "README.md").read_text()
    events = {event for file in PACKAGE.rglob("*.py") for event in _events(file)}
    assert len(events) > 30
    assert not [event for event in sorted(events) if f"`{event}`" not in readme]


def test_readme_lists_every_setting_with_its_default() -> None:
    found = TABLE.search((ROOT / "README.md").read_text())
    assert found is not None
    assert found[0] == settings_table()


def test_env_example_lists_every_variable() -> None:
    assert (ROOT / ".env.example").read_text() == env_example()


def man_page() -> str:
    made: str = runpy.run_path(str(ROOT / "docs/manual.py"))["page"]()
    return made


def test_the_man_page_is_what_the_command_line_says() -> None:
    assert MAN_PAGE.read_text() == man_page(), "say `make man`"


def test_the_man_page_has_every_command_and_option() -> None:
    page = man_page().replace("\\-", "-")
    for name, command in cli.commands.items():
        assert f"hf-watch {name}" in page
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert not [option for option in options if option not in page], name


if __name__ == "__main__":
    MAN_PAGE.write_text(man_page())
    readme = ROOT / "README.md"
    text = TABLE.sub(lambda _: settings_table(), readme.read_text())
    text = JSON.sub(lambda _: json_table(), text)
    readme.write_text(METRICS.sub(lambda _: metrics_table(), text))
    (ROOT / ".env.example").write_text(env_example())
    architecture = ROOT / "ARCHITECTURE.md"
    architecture.write_text(ROOMS.sub(lambda _: rooms_table(), architecture.read_text()))
