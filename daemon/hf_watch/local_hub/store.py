"""What the local Hub remembers: repos, branches, commits and small files, in one SQLite file; large ones beside it.

A commit costs what it changes: the head of each branch is a table of entries, its past a table of versions.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from .git_ids import blob_id, pointer_id
from .records import Discussion, File, NotShown, Repo, Revision
from .refusals import bad_request, branch_moved, entry_not_found, revision_not_found
from .repo_paths import parents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .database import Database
    from .records import Edit

PULL_REQUEST = "refs/pr/"  # with its number: the branch that holds a pull request's changes

PAST = """
WITH RECURSIVE past (seq) AS (
  SELECT ? UNION SELECT revision.parent FROM revision JOIN past USING (seq) WHERE revision.parent IS NOT NULL)
"""


class Store:
    """A method is a transaction, safe from any thread."""

    def __init__(self, database: Database) -> None:
        self._transaction = database.transaction
        self._all = database.rows

    def repos(self) -> list[Repo]:
        return [_repo(row) for row in self._all(f"SELECT {_REPO} FROM repo ORDER BY id")]

    def find_repo(self, kind: str, namespace: str, name: str) -> Repo | None:
        """Names are compared without case, as the Hub does."""
        rows = self._all(f"SELECT {_REPO} FROM repo WHERE (kind, namespace, name) = (?, ?, ?)", kind, namespace, name)
        return _repo(rows[0]) if rows else None

    def create_repo(self, kind: str, namespace: str, name: str, attributes: bytes, *, private: bool) -> Repo:
        """A new repo: one commit, which adds `.gitattributes`. It must not exist."""
        with self._transaction() as db:
            (repo_id,) = db.execute(
                "INSERT INTO repo (kind, namespace, name, private, created_s) VALUES (?, ?, ?, ?, ?) RETURNING id",
                (kind, namespace, name, private, time.time()),
            ).fetchone()
            seq = self._revision(repo_id, None, "initial commit", "", namespace)
            db.execute("INSERT INTO branch (repo_id, name, head) VALUES (?, 'main', ?)", (repo_id, seq))
            self._put(repo_id, self._branch_id(repo_id, "main"), seq, {".gitattributes": attributes}, {})
        repo = self.find_repo(kind, namespace, name)
        if repo is None:
            raise LookupError(name)
        return repo

    def delete_repo(self, repo: Repo) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM entry WHERE branch_id IN (SELECT id FROM branch WHERE repo_id = ?)", (repo.id,))
            for table in ("version", "revision", "branch", "tag", "discussion"):
                db.execute(f"DELETE FROM {table} WHERE repo_id = ?", (repo.id,))
            db.execute("DELETE FROM repo WHERE id = ?", (repo.id,))

    def rename_repo(self, repo: Repo, namespace: str, name: str) -> None:
        with self._transaction() as db:
            db.execute("UPDATE repo SET namespace = ?, name = ? WHERE id = ?", (namespace, name, repo.id))
            db.execute("UPDATE branch SET shown = 0 WHERE repo_id = ?", (repo.id,))  # its plain files stand elsewhere

    def set_private(self, repo: Repo, *, private: bool) -> None:
        with self._transaction() as db:
            db.execute("UPDATE repo SET private = ? WHERE id = ?", (private, repo.id))

    def set_gated(self, repo: Repo, gated: str | None) -> None:
        with self._transaction() as db:
            db.execute("UPDATE repo SET gated = ? WHERE id = ?", (gated, repo.id))

    def branches(self, repo: Repo) -> dict[str, str]:
        """The names of all branches, those of pull requests, too, and the ids of their heads."""
        rows = self._all(
            "SELECT branch.name, revision.id FROM branch JOIN revision ON revision.seq = head"
            " WHERE branch.repo_id = ? ORDER BY branch.id", repo.id
        )  # fmt: skip
        return {str(name): str(head) for name, head in rows}

    def tags(self, repo: Repo) -> dict[str, str]:
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
                return self._read_revision(int(str(rows[0][0])))
        raise revision_not_found(revision)

    def _read_revision(self, seq: int) -> Revision:
        (row,) = self._all(f"SELECT {_REVISION} FROM revision WHERE seq = ?", seq)
        return Revision(*row)  # type: ignore[arg-type]

    def history(self, start: Revision, skip: int, limit: int) -> list[Revision]:
        """The commits before and including `start`, the newest first."""
        columns = ", ".join(f"revision.{name}" for name in _REVISION.split(", "))
        rows = self._all(
            f"{PAST} SELECT {columns} FROM revision JOIN past USING (seq) ORDER BY seq DESC LIMIT ? OFFSET ?",
            start.seq, limit, skip,
        )  # fmt: skip
        return [Revision(*row) for row in rows]  # type: ignore[arg-type]

    def last_change(self, repo: Repo, revision: Revision, path: str) -> Revision:
        """The newest commit, not newer than `revision`, that changed a file, or one below a directory."""
        columns = ", ".join(f"revision.{name}" for name in _REVISION.split(", "))
        (row,) = self._all(
            f"{PAST} SELECT {columns} FROM revision JOIN version USING (seq) WHERE version.repo_id = ?"
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
            rows = self._all(f"SELECT {_FILE} FROM entry WHERE (branch_id, path) = (?, ?)", branch_id, path)
        else:
            rows = self._all(
                f"{PAST} SELECT {_FILE} FROM version WHERE (repo_id, path) = (?, ?) AND seq IN past"
                " ORDER BY seq DESC LIMIT 1", revision.seq, repo.id, path,
            )  # fmt: skip
        return File(*rows[0]) if rows and rows[0][1] is not None else None  # type: ignore[arg-type]

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
                f"{PAST} SELECT {_FILE} FROM (SELECT {_FILE}, max(seq) FROM version WHERE repo_id = ? AND path > ?"
                " AND path < ? AND seq IN past GROUP BY path) WHERE oid IS NOT NULL ORDER BY path LIMIT ?",
                revision.seq, repo.id, low, high, limit,
            )  # fmt: skip
        return [File(*row) for row in rows]  # type: ignore[arg-type]

    def content(self, file: File) -> bytes:
        """A regular file's content."""
        ((content,),) = self._all("SELECT content FROM blob WHERE oid = ?", file.oid)
        return bytes(content)  # type: ignore[call-overload,no-any-return]

    def commit(
        self, repo: Repo, branch: str, edit: Edit, *, title: str, description: str, author: str, parent: str | None
    ) -> Revision:
        """Make one commit, all of it or nothing. Refusal 404 for a missing branch or file, 412 for a stale `parent`."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT id, head FROM branch WHERE (repo_id, name) = (?, ?)", (repo.id, branch)
            ).fetchall()
            if not rows:
                raise revision_not_found(branch)
            branch_id, head = rows[0]
            if parent is not None and not self._read_revision(head).id.startswith(parent.lower()):
                raise branch_moved()
            deleted = self._deleted(branch_id, edit)
            seq = self._revision(repo.id, head, title, description, author)
            db.executemany(
                "DELETE FROM entry WHERE (branch_id, path) = (?, ?)", [(branch_id, path) for path in deleted]
            )
            db.executemany(
                "INSERT INTO version (repo_id, path, seq) VALUES (?, ?, ?)", [(repo.id, path, seq) for path in deleted]
            )
            self._put(repo.id, branch_id, seq, edit.regular, edit.large)
            self._check_kinds(branch_id, [*edit.regular, *edit.large])
            db.execute("UPDATE branch SET head = ? WHERE id = ?", (seq, branch_id))
        return self._read_revision(seq)

    def propose(
        self, repo: Repo, base: str, edit: Edit, *, title: str, description: str, author: str, parent: str | None
    ) -> tuple[Revision, Discussion]:
        """The same as the first commit of a new pull request against the branch `base`."""
        with self._transaction():
            opened = self.discuss(repo, title=title, description=description, author=author, base=base)
            branch = f"{PULL_REQUEST}{opened.number}"
            made = self.commit(repo, branch, edit, title=title, description=description, author=author, parent=parent)
        return made, opened

    def squash(self, repo: Repo, branch: str, *, title: str, author: str) -> Revision:
        """One commit without a past in place of all of a branch. Refusal 404 for a missing branch."""
        if branch not in self.branches(repo):
            raise revision_not_found(branch)
        with self._transaction() as db:
            branch_id = self._branch_id(repo.id, branch)
            seq = self._revision(repo.id, None, title, "", author)
            db.execute(
                "INSERT INTO version SELECT ?, path, ?, oid, size_bytes, sha256 FROM entry WHERE branch_id = ?",
                (repo.id, seq, branch_id),
            )
            db.execute("UPDATE branch SET head = ? WHERE id = ?", (seq, branch_id))
        return self._read_revision(seq)

    def _check_kinds(self, branch_id: int, added: list[str]) -> None:
        """Refusal 400 when a path would be a file and a directory, which no git tree holds."""
        for path in added:
            around = self._all(
                "SELECT path FROM entry WHERE branch_id = ? AND path > ? AND path < ? LIMIT 1",
                branch_id, f"{path}/", f"{path}0",
            )  # fmt: skip
            for above in parents(path):
                around += self._all("SELECT path FROM entry WHERE (branch_id, path) = (?, ?)", branch_id, above)
            if around:
                raise bad_request(f"{path!r} and {around[0][0]!r}: a path is a file or a directory")

    def _deleted(self, branch_id: int, edit: Edit) -> list[str]:
        """Every file that goes; Refusal 404 for a path where nothing is."""
        deleted: dict[str, None] = {}
        for path in edit.deleted + edit.deleted_folders:
            folder = path.rstrip("/")
            below = self._all(
                "SELECT path FROM entry WHERE branch_id = ? AND (path = ? OR (path > ? AND path < ?))",
                branch_id, folder, f"{folder}/", f"{folder}0",
            )  # fmt: skip
            if not below:
                raise entry_not_found(f"A file with this name doesn't exist: {path}")
            deleted.update(dict.fromkeys(str(row[0]) for row in below))
        return [path for path in deleted if path not in edit.regular and path not in edit.large]

    def _revision(self, repo_id: int, parent: int | None, title: str, description: str, author: str) -> int:
        values = (secrets.token_hex(20), repo_id, parent, title, description, author, time.time())
        ((seq,),) = self._all(
            "INSERT INTO revision (id, repo_id, parent, title, description, author, at_s)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING seq", *values
        )  # fmt: skip
        return int(str(seq))

    def _put(
        self, repo_id: int, branch_id: int, seq: int, regular: dict[str, bytes], large: dict[str, tuple[str, int]]
    ) -> None:
        blobs = [(blob_id(content), content) for content in regular.values()]
        rows: list[tuple[str, str, int, str | None]] = [
            (path, oid, len(content), None) for path, (oid, content) in zip(regular, blobs, strict=True)
        ]
        rows += [(path, pointer_id(sha256, size), size, sha256) for path, (sha256, size) in large.items()]
        with self._transaction() as db:
            db.executemany("INSERT OR IGNORE INTO blob VALUES (?, ?)", blobs)
            db.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)", [(branch_id, *row) for row in rows])
            db.executemany(
                "INSERT OR REPLACE INTO version VALUES (?, ?, ?, ?, ?, ?)",
                [(repo_id, path, seq, *rest) for path, *rest in rows],
            )

    def _branch_id(self, repo_id: int, name: str) -> int:
        rows = self._all("SELECT id FROM branch WHERE (repo_id, name) = (?, ?)", repo_id, name)
        return int(str(rows[0][0]))

    def create_branch(self, repo: Repo, name: str, start: Revision) -> None:
        """A new branch at a commit; it must not exist."""
        files = self.files(repo, start, "", "", -1)
        with self._transaction() as db:
            db.execute("INSERT INTO branch (repo_id, name, head) VALUES (?, ?, ?)", (repo.id, name, start.seq))
            branch_id = self._branch_id(repo.id, name)
            db.executemany(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?)",
                [(branch_id, each.path, each.oid, each.size_bytes, each.sha256) for each in files],
            )

    def delete_branch(self, repo: Repo, name: str) -> None:
        with self._transaction() as db:
            branch_id = self._branch_id(repo.id, name)
            db.execute("DELETE FROM entry WHERE branch_id = ?", (branch_id,))
            db.execute("DELETE FROM branch WHERE id = ?", (branch_id,))

    def discuss(self, repo: Repo, *, title: str, description: str, author: str, base: str | None) -> Discussion:
        """A new discussion; with a `base`, a pull request whose branch starts at that branch's head, Refusal 404."""
        with self._transaction() as db:
            ((last,),) = db.execute("SELECT max(number) FROM discussion WHERE repo_id = ?", (repo.id,)).fetchall()
            opened = Discussion((last or 0) + 1, title, description, author, time.time(), base)
            db.execute(
                "INSERT INTO discussion VALUES (?, ?, ?, ?, ?, ?, ?)",
                (repo.id, opened.number, title, description, author, opened.at_s, base),
            )
            if base is not None:
                if base not in self.branches(repo):
                    raise revision_not_found(base)
                self.create_branch(repo, f"{PULL_REQUEST}{opened.number}", self.resolve(repo, base))
        return opened

    def discussion(self, repo: Repo, number: int) -> Discussion | None:
        rows = self._all(
            "SELECT number, title, description, author, at_s, base FROM discussion WHERE (repo_id, number) = (?, ?)",
            repo.id, number,
        )  # fmt: skip
        return Discussion(*rows[0]) if rows else None  # type: ignore[arg-type]

    def create_tag(self, repo: Repo, name: str, target: Revision, message: str | None) -> None:
        with self._transaction() as db:
            db.execute("INSERT INTO tag VALUES (?, ?, ?, ?)", (repo.id, name, target.seq, message))

    def delete_tag(self, repo: Repo, name: str) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM tag WHERE (repo_id, name) = (?, ?)", (repo.id, name))

    def not_shown(self) -> list[NotShown]:
        """The branches whose plain files are behind."""
        behind = []
        for repo in self.repos():
            rows = self._all("SELECT id, name, head, shown FROM branch WHERE repo_id = ? AND head > shown", repo.id)
            for branch_id, name, head, shown in rows:
                changed = self._all("SELECT DISTINCT path FROM version WHERE repo_id = ? AND seq > ?", repo.id, shown)
                held = {str(path): self._entry(int(str(branch_id)), str(path)) for (path,) in changed}
                written = tuple(file for file in held.values() if file)
                removed = tuple(path for path, file in held.items() if not file)
                behind.append(NotShown(repo, str(name), int(str(head)), written, removed))
        return behind

    def _entry(self, branch_id: int, path: str) -> File | None:
        rows = self._all(f"SELECT {_FILE} FROM entry WHERE (branch_id, path) = (?, ?)", branch_id, path)
        return File(*rows[0]) if rows else None  # type: ignore[arg-type]

    def shown(self, branch: NotShown) -> None:
        """The plain files are what the branch was when it was found behind; it may have gone on since."""
        with self._transaction() as db:
            db.execute(
                "UPDATE branch SET shown = ? WHERE (repo_id, name) = (?, ?)",
                (branch.head, branch.repo.id, branch.name),
            )


_REPO = "id, kind, namespace, name, private, gated, created_s"
_REVISION = "seq, id, parent, title, description, author, at_s"
_FILE = "path, oid, size_bytes, sha256"


def _repo(row: Sequence[object]) -> Repo:
    repo_id, kind, namespace, name, private, gated, created_s = row
    return Repo(repo_id, kind, namespace, name, bool(private), gated, created_s)  # type: ignore[arg-type]
