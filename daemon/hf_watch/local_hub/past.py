"""What there is and was in the repos: each commit and those before it, and the files at each.

The head of a branch is a table of entries, its past a table of versions: a commit costs what it changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .records import File, Revision
from .refusals import revision_not_found

if TYPE_CHECKING:
    from .database import Database
    from .records import Repo

_PAST = """
WITH RECURSIVE past (seq) AS (
  SELECT ? UNION SELECT revision.parent FROM revision JOIN past USING (seq) WHERE revision.parent IS NOT NULL)
"""
_REVISION = "seq, id, parent, title, description, author, at_s"
_FILE = "path, oid, size_bytes, sha256"


class Past:
    """Reads only; safe from any thread."""

    def __init__(self, database: Database) -> None:
        self._all = database.rows

    def branches(self, repo: Repo) -> dict[str, str]:
        """The names of all branches, those of pull requests, too, and the ids of their heads."""
        rows = self._all(
            "SELECT branch.name, revision.id FROM branch JOIN revision ON revision.seq = head"
            " WHERE branch.repo_id = ? ORDER BY branch.id", repo.id
        )  # fmt: skip
        return {str(name): str(head) for name, head in rows}

    def tags(self, repo: Repo) -> dict[str, str]:
        """The names of all tags, and the ids of the commits that they stand for."""
        rows = self._all(
            "SELECT tag.name, revision.id FROM tag JOIN revision USING (seq) WHERE tag.repo_id = ?", repo.id
        )
        return {str(name): str(target) for name, target in rows}

    def resolve(self, repo: Repo, revision: str) -> Revision:
        """The commit that a branch, a tag or an id (or its beginning) names; Refusal 404 when none does."""
        for sql in (
            "SELECT head FROM branch WHERE (repo_id, name) = (?, ?)",
            "SELECT seq FROM tag WHERE (repo_id, name) = (?, ?)",
            "SELECT seq FROM revision WHERE repo_id = ? AND substr(id, 1, max(7, length(?2))) = ?2",
        ):
            rows = self._all(sql, repo.id, revision.removeprefix("refs/heads/"))
            if len(rows) == 1:
                return self.revision(int(str(rows[0][0])))
        raise revision_not_found(revision)

    def revision(self, seq: int) -> Revision:
        """The commit of this number."""
        (row,) = self._all(f"SELECT {_REVISION} FROM revision WHERE seq = ?", seq)
        return Revision(*row)  # type: ignore[arg-type]

    def history(self, start: Revision, skip: int, limit: int) -> list[Revision]:
        """The commits before and including `start`, the newest first."""
        columns = ", ".join(f"revision.{name}" for name in _REVISION.split(", "))
        rows = self._all(
            f"{_PAST} SELECT {columns} FROM revision JOIN past USING (seq) ORDER BY seq DESC LIMIT ? OFFSET ?",
            start.seq, limit, skip,
        )  # fmt: skip
        return [Revision(*row) for row in rows]  # type: ignore[arg-type]

    def last_change(self, repo: Repo, revision: Revision, path: str) -> Revision:
        """The newest commit, not newer than `revision`, that changed a file, or one below a directory."""
        columns = ", ".join(f"revision.{name}" for name in _REVISION.split(", "))
        (row,) = self._all(
            f"{_PAST} SELECT {columns} FROM revision JOIN version USING (seq) WHERE version.repo_id = ?"
            " AND (path = ? OR (path > ? AND path < ?)) AND seq IN past ORDER BY seq DESC LIMIT 1",
            revision.seq, repo.id, path, f"{path}/", f"{path}0",
        )  # fmt: skip
        return Revision(*row)  # type: ignore[arg-type]

    def changes(self, revision: Revision) -> tuple[list[str], list[str]]:
        """The paths that a commit added or replaced, and those that it deleted."""
        rows = self._all("SELECT path, oid IS NULL FROM version WHERE seq = ? ORDER BY path", revision.seq)
        return [str(path) for path, gone in rows if not gone], [str(path) for path, gone in rows if gone]

    def is_head(self, repo: Repo, revision: Revision) -> int | None:
        """The branch whose head it is, if there is one: what is there is read without its past then."""
        rows = self._all("SELECT id FROM branch WHERE (repo_id, head) = (?, ?)", repo.id, revision.seq)
        return int(str(rows[0][0])) if rows else None

    def file(self, repo: Repo, revision: Revision, path: str) -> File | None:
        """The file at a path in a commit."""
        if branch_id := self.is_head(repo, revision):
            return self.at_head(branch_id, path)
        rows = self._all(
            f"{_PAST} SELECT {_FILE} FROM version WHERE (repo_id, path) = (?, ?) AND seq IN past"
            " ORDER BY seq DESC LIMIT 1", revision.seq, repo.id, path,
        )  # fmt: skip
        return File(*rows[0]) if rows and rows[0][1] is not None else None  # type: ignore[arg-type]

    def at_head(self, branch_id: int, path: str) -> File | None:
        """The file at a path in the last commit of a branch."""
        rows = self._all(f"SELECT {_FILE} FROM entry WHERE (branch_id, path) = (?, ?)", branch_id, path)
        return File(*rows[0]) if rows else None  # type: ignore[arg-type]

    def files(self, repo: Repo, revision: Revision, prefix: str, after: str, limit: int) -> list[File]:
        """Up to `limit` files below a directory (`""`: all), in the order of their paths, behind the path `after`."""
        low, high = (f"{prefix}/", f"{prefix}0") if prefix else ("", "\U0010ffff")
        low = max(low, after)
        if branch_id := self.is_head(repo, revision):
            rows = self._all(
                f"SELECT {_FILE} FROM entry WHERE branch_id = ? AND path > ? AND path < ? ORDER BY path LIMIT ?",
                branch_id, low, high, limit,
            )  # fmt: skip
        else:
            rows = self._all(
                f"{_PAST} SELECT {_FILE} FROM (SELECT {_FILE}, max(seq) FROM version WHERE repo_id = ? AND path > ?"
                " AND path < ? AND seq IN past GROUP BY path) WHERE oid IS NOT NULL ORDER BY path LIMIT ?",
                revision.seq, repo.id, low, high, limit,
            )  # fmt: skip
        return [File(*row) for row in rows]  # type: ignore[arg-type]

    def content(self, file: File) -> bytes:
        """A regular file's content."""
        ((content,),) = self._all("SELECT content FROM blob WHERE oid = ?", file.oid)
        return bytes(content)  # type: ignore[call-overload,no-any-return]
