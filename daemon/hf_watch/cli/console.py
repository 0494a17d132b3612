"""What the commands print, as text and as JSON; the JSON is a contract (README.md, "JSON")."""

from __future__ import annotations

import heapq
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hf_watch.inspection.checks import Level
from hf_watch.paths import encoded, printable
from hf_watch.rules.filters import PARTIAL_NAMES, PRIVATE_DIRECTORIES
from hf_watch.threads.status import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hf_watch.control.contract import (
        CommitsView,
        DoneView,
        FilesView,
        FileView,
        FlushView,
        LeftView,
        QuarantinedView,
        StatusView,
        TargetView,
        TurnView,
    )
    from hf_watch.inspection.checks import Check
    from hf_watch.inspection.explain import Explanation
    from hf_watch.inspection.preview import Estimate, Item, Preview
    from hf_watch.model import Receipt, Upload
    from hf_watch.settings.settings import Settings

    Turns = Mapping[tuple[str, str], TurnView]  # by target and path

STATUS_HEADINGS = ("target", "state", "waiting", "in flight", "quarantine", "today", "oldest", "last", "next")
SHOWN_ITEMS = 20  # of each kind for a person; --json has them all


def plan_json(previews: Sequence[Preview], total: Estimate, unasked: str | None) -> dict[str, Any]:
    """The answer of `plan --json`; `unasked` says why the Hub was not asked what it holds."""
    return {
        "unasked": unasked,
        "targets": [
            {
                "target": preview.target,
                "source": printable(preview.source),
                "problem": preview.problem,
                "upload": [_item(item) for item in preview.uploads],
                "delete": [_item(item) for item in preview.deletes],
                "held": [_item(item) for item in preview.held],
                "skip": [_item(item) for item in preview.skips],
                "unchanged": preview.unchanged,
            }
            for preview in previews
        ],
        "total": {
            "files": total.files,
            "bytes": total.size_bytes,
            "commits": total.commits,
            "next_commit_s": round(total.next_commit_s, 1),
            "at_least_s": round(total.at_least_s, 1),
        },
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "path": printable(item.path),
        "path_encoded": encoded(item.path),
        "repo_path": item.repo_path or None,
        "bytes": item.size_bytes,
        "reason": item.reason,
    }


def plan_text(previews: Sequence[Preview], total: Estimate, unasked: str | None) -> Iterator[str]:
    """The lines of `plan`; `unasked` as for `plan_json`."""
    for preview in previews:
        yield f"{preview.target}: {printable(preview.source)}"
        if preview.problem is not None:
            yield f"  {preview.problem}"
            continue
        yield from _listed("upload", preview.uploads)
        yield from _listed("delete", preview.deletes)
        if preview.held:
            example = printable(preview.held[0].path)
            yield f"  held    {counted(len(preview.held), 'delete')}, such as {example}: more than max_delete at once"
            yield f"          `hf-watch confirm-deletes {preview.target}` lets them go"
        yield from _listed("skip", preview.skips)
        yield f"  unchanged: {preview.unchanged}"
    yield total_text(total)
    if unasked is not None and total.files:
        yield f"the Hub was not asked, and may hold some of it already ({unasked})"


def _listed(verb: str, items: Sequence[Item]) -> Iterator[str]:
    for item in heapq.nsmallest(SHOWN_ITEMS, items, key=lambda item: item.path):
        arrow = f" -> {printable(item.repo_path)}" if verb == "upload" else ""
        size = f", {size_text(item.size_bytes)}" if verb == "upload" else ""
        yield f"  {verb}  {printable(item.path)}{arrow}  ({printable(item.reason)}{size})"
    if len(items) > SHOWN_ITEMS:
        yield f"  {verb}  … and {len(items) - SHOWN_ITEMS} more (--json lists them)"


def total_text(total: Estimate) -> str:
    """What it all comes to, in one line."""
    if not total.commits:
        return "nothing to do"
    files, commits = counted(total.files, "file"), counted(total.commits, "commit")
    line = f"total: {files}, {size_text(total.size_bytes)}, about {commits}"
    if total.next_commit_s:
        line += f", next commit in {duration_text(total.next_commit_s)}"
    return line + (f", at least {duration_text(total.at_least_s)} by the limits set" if total.at_least_s else "")


def size_text(size_bytes: int) -> str:
    """A size as people read it; decimal, as the Hub shows it."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1_000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1_000
    return f"{size:.1f} TB"


def duration_text(seconds: float) -> str:
    """A duration as people read it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"


def explain_json(found: Sequence[Explanation], running: Turns | None) -> dict[str, Any]:
    """The answer of `explain --json`."""
    return {"targets": [_explanation(each, running) for each in found]}


def _explanation(of: Explanation, running: Turns | None) -> dict[str, Any]:
    path = {"path": printable(of.path), "path_encoded": encoded(of.path)}
    return {**asdict(of), **path, "running": _doing(of, running)}


def explain_text(found: Sequence[Explanation], running: Turns | None, unasked: str | None) -> Iterator[str]:
    """The lines of `explain`; `unasked` as for `plan_json`."""
    for each in found:
        yield f"{each.target}: {printable(each.path)} -> {printable(each.repo_path or 'no place in the repo')}"
        for name in ("rule", "disk", "ledger", "hub"):
            if (said := getattr(each, name)) is not None:
                yield f"  {name + ':':9}{printable(said)}"
        if unasked is not None:
            yield f"  hub:     not asked ({unasked})"
        yield f"  daemon:  {_doing(each, running) or 'none runs'}"
        yield f"  so:      {printable(each.verdict)}"


def _doing(of: Explanation, running: Turns | None) -> str | None:
    """What the running daemon says of a path; None when none runs."""
    if running is None:
        return None
    turn = running.get((of.target, of.path))
    return "it does not watch this directory" if turn is None else f"{turn.target_state}: {turn.verdict}"


def checks_json(checks: Sequence[Check]) -> dict[str, Any]:
    """The answer of `check --json`."""
    return {
        "checks": [
            {"check": check.name, "level": check.level.value, "text": check.text, "remedy": check.remedy or None}
            for check in checks
        ]
    }


def checks_text(checks: Sequence[Check]) -> Iterator[str]:
    """The lines of `check`."""
    for check in checks:
        remedy = f"  → {check.remedy}" if check.remedy else ""
        yield f"{check.level.value:4}  {printable(check.name)}: {printable(check.text)}{remedy}"


def any_failed(checks: Sequence[Check]) -> bool:
    """Whether something has to be done before it can work."""
    return any(check.level is Level.FAIL for check in checks)


def push_json(upload: Upload, receipt: Receipt, file: Path | None) -> dict[str, Any]:
    """The answer of `push --json`; no commit when the repo held the content already.

    `file` is where a local Hub keeps it that ends with the command, whose commits have no URL then.
    """
    return {
        "repo_path": upload.repo_path,
        "bytes": upload.snapshot.fingerprint.size_bytes,
        "sha256": upload.snapshot.digest.sha256.hex(),
        "commit": receipt.commit,
        "url": receipt.url if file is None else None,
        "file": None if file is None else printable(str(file)),
    }


def push_text(upload: Upload, receipt: Receipt, file: Path | None) -> str:
    """The line of `push`; `file` as for `push_json`."""
    if file is not None:
        return printable(str(file))
    return receipt.url or f"{upload.repo_path}: the repo holds this content already"


def config_json(settings: Settings, config: Path | None, state_dir: Path) -> dict[str, Any]:
    """The answer of `config`."""
    return {
        "configuration": str(config) if config else None,
        **settings.model_dump(mode="json"),
        "state_dir": str(state_dir),
        "never_published": [*PARTIAL_NAMES, *(f"{name}/" for name in PRIVATE_DIRECTORIES)],
    }


def status_text(status: StatusView) -> Iterator[str]:
    """The lines of `status`: a table, then what a person should look at."""
    rows = [STATUS_HEADINGS, *(_status_row(each) for each in status.targets)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(STATUS_HEADINGS))]
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    for target in status.targets:
        yield from _status_details(target)
    yield f"process {status.pid}, state in {status.state_dir}"
    yield f"{status.health}" + (":" if status.problems else "")
    for problem in status.problems:
        yield f"  {problem}"


def _status_row(target: TargetView) -> tuple[str, ...]:
    last = target.last_commit
    return *standing_cells(target), "-" if last is None else age_text(last.at), next_cell(target)


def standing_cells(target: TargetView) -> tuple[str, ...]:
    """How a target stands: its name, its state, the paths that wait, fly, were set aside, went today; the oldest."""
    return (
        target.target,
        target.state,
        str(target.waiting),
        str(target.in_flight),
        str(target.quarantined),
        str(target.published_today),
        "-" if target.oldest_s is None else duration_text(target.oldest_s),
    )


def next_cell(target: TargetView) -> str:
    """When its next commit goes."""
    if target.next_commit_s is None:
        return "-"
    return "now" if target.next_commit_s < 1 else f"in {duration_text(target.next_commit_s)}"


def age_text(stamp: str) -> str:
    """How long ago a moment of the wall clock is."""
    passed_s = (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()
    return duration_text(max(0.0, passed_s))


def _status_details(target: TargetView) -> Iterator[str]:
    yield f"{target.target}: {target.source} -> {target.dest}"
    if target.last_commit is not None:
        yield f"  last commit: {target.last_commit.url}"
    if target.reason is not None:
        yield f"  waits: {target.reason}"
    for each in target.quarantine:
        yield f"  quarantine: {_named(each)}  ({printable(each.reason)})"
    if target.quarantined > len(target.quarantine):
        yield f"  quarantine: … and {target.quarantined - len(target.quarantine)} more"


def _named(of: QuarantinedView | LeftView | FileView) -> str:
    """Its path and, where that is escaped, what commands take for it."""
    return of.path if encoded(of.path) == of.path_encoded else f"{of.path} (--encoded {of.path_encoded})"


def retried_text(path: str | None, done: DoneView) -> Iterator[str]:
    """The lines of `retry`."""
    if _concerned(done):
        yield from done_text("tried again", done)
    elif path is None:
        yield "nothing is set aside, and nothing waits: there is nothing to try again"
    else:
        yield f"{printable(path)}: it is neither set aside nor waiting, if it is known at all: nothing to try again"


def confirmed_text(done: DoneView) -> Iterator[str]:
    """The lines of `confirm-deletes`."""
    if _concerned(done):
        yield from done_text("confirmed", done)
    else:
        yield f"{', '.join(done.targets)}: no deletes are held back"


def _concerned(done: DoneView) -> bool:
    """Whether there was something to do, as far as that is known by now."""
    return bool(done.paths or done.pending)


def done_text(verb: str, done: DoneView) -> Iterator[str]:
    """The lines of `pause` and `resume`, and of others that did something."""
    paths = f", {counted(done.paths, 'path')}" if done.paths else ""
    yield f"{verb}: {', '.join(done.targets)}{paths}"
    if done.pending:
        yield f"  {', '.join(done.pending)}: when the call of the Hub that is under way is over"


def flush_text(flush: FlushView) -> Iterator[str]:
    """The lines of `flush`."""
    if flush.published is None:
        yield f"{counted(flush.paths, 'path')} to go at once"
    elif flush.published:
        yield "everything that is on disk is published" if flush.held else "everything is published"
    else:
        yield f"{flush.left_count} not published:"
        for left in flush.left[:SHOWN_ITEMS]:
            yield f"  {left.target}: {_named(left) or 'all of it'}  ({left.reason})"
        if flush.left_count > SHOWN_ITEMS:
            yield f"  … and {flush.left_count - SHOWN_ITEMS} more (--json lists them)"
    for each in flush.held:
        yield f"{each.target}: {counted(each.deletes, 'delete')} held back, such as {each.example}"
        yield f"  `hf-watch confirm-deletes {each.target}` lets them go"


def published_text(files: FilesView) -> Iterator[str]:
    """The lines of `history PATH`."""
    for each in files.files:
        commit = each.url or "by a commit that is not remembered, or held before"
        yield f"{each.at or '-':25}  {size_text(each.bytes or 0):>9}  {each.target}: {_named(each)}  {commit}"
    if files.next is not None:
        yield "… and more (--limit shows more of them)"
    if not files.files:
        yield "nothing is known to be published there"


def history_text(commits: CommitsView) -> Iterator[str]:
    """The lines of `history`."""
    for each in commits.commits:
        yield f"{each.at}  {counted(each.files, 'file'):>12}  {size_text(each.bytes):>9}  {each.url}"
    if not commits.commits:
        yield "no commits yet"
