"""What the local Hub remembers, in one SQLite file: what is made, changed and removed; `past` reads it."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from .git_ids import blob_id, pointer_id
from .past import Past
from .records import Discussion, NotShown, Repo, Revision
from .refusals import bad_request, branch_moved, entry_not_found, revision_not_found
from .repo_paths import parents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .database import Database
    from .records import Edit

PULL_REQUEST = "refs/pr/"  # with its number: the branch that holds a pull request's changes


class Store:
    """A method is a transaction, safe from any thread. `past`: what there is and was."""

    def __init__(self, database: Database) -> None:
        self.past = Past(database)
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
            if parent is not None and not self.past.revision(head).id.startswith(parent.lower()):
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
        return self.past.revision(seq)

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
        if branch not in self.past.branches(repo):
            raise revision_not_found(branch)
        with self._transaction() as db:
            branch_id = self._branch_id(repo.id, branch)
            seq = self._revision(repo.id, None, title, "", author)
            db.execute(
                "INSERT INTO version SELECT ?, path, ?, oid, size_bytes, sha256 FROM entry WHERE branch_id = ?",
                (repo.id, seq, branch_id),
            )
            db.execute("UPDATE branch SET head = ? WHERE id = ?", (seq, branch_id))
        return self.past.revision(seq)

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
        files = self.past.files(repo, start, "", "", -1)
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
                if base not in self.past.branches(repo):
                    raise revision_not_found(base)
                self.create_branch(repo, f"{PULL_REQUEST}{opened.number}", self.past.resolve(repo, base))
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
                held = {str(path): self.past.at_head(int(str(branch_id)), str(path)) for (path,) in changed}
                written = tuple(file for file in held.values() if file)
                removed = tuple(path for path, file in held.items() if not file)
                behind.append(NotShown(repo, str(name), int(str(head)), written, removed))
        return behind

    def shown(self, branch: NotShown) -> None:
        """The plain files are what the branch was when it was found behind; it may have gone on since."""
        with self._transaction() as db:
            db.execute(
                "UPDATE branch SET shown = ? WHERE (repo_id, name) = (?, ?)",
                (branch.head, branch.repo.id, branch.name),
            )


_REPO = "id, kind, namespace, name, private, gated, created_s"


def _repo(row: Sequence[object]) -> Repo:
    repo_id, kind, namespace, name, private, gated, created_s = row
    return Repo(repo_id, kind, namespace, name, bool(private), gated, created_s)  # type: ignore[arg-type]
