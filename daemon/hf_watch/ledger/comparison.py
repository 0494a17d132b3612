"""All that is known below a root against all that its repo holds there."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from hf_watch.ledger.files import REMEMBER_ALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hf_watch.ledger.connection import Connection
    from hf_watch.ledger.rows import Root
    from hf_watch.model import RemoteFile

REMOTE_FILES_AT_A_TIME = 1_000  # written down while more of them are asked for

# A large file is known to both sides by its sha256, any other one by its git hash.
_UNLIKE = """root_id = ? AND sha256 IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM temp.remote WHERE remote.repo_path = file.repo_path
  AND (remote.sha256 = file.sha256 OR (remote.sha256 IS NULL AND remote.git_sha1 = file.git_sha1)))
"""


class Comparison:
    """The table `file` beside `temp.remote`, which this connection alone sees."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def doubt_unlike(self, root: Root, remote: Iterable[RemoteFile]) -> int:
        """Compare all that is known below a root with all that its repo holds there, by repo path.

        What the Hub does not hold as recorded is put in doubt. Returns how many paths that were. The remote files are
        consumed in one pass and kept on disk, not in memory; they may come slowly, and nobody else waits meanwhile.
        """
        with self._remote_table() as found:
            for file in remote:
                found.append((file.repo_path, file.sha256, file.git_sha1))
                if len(found) >= REMOTE_FILES_AT_A_TIME:
                    self._add_remote(found)
            self._add_remote(found)
            with self._connection.transaction() as db, closing(db.cursor()) as cursor:
                cursor.execute("CREATE INDEX temp.remote_path ON remote (repo_path)")
                if root.is_mapped:  # where a content was put is not found out anew
                    cursor.execute(f"{REMEMBER_ALL} WHERE {_UNLIKE}", (root.id,))
                cursor.execute(f"UPDATE file SET sha256 = NULL, git_sha1 = NULL WHERE {_UNLIKE}", (root.id,))
                return cursor.rowcount

    @contextmanager
    def _remote_table(self) -> Iterator[list[tuple[object, ...]]]:
        self._connection.rows("CREATE TEMP TABLE remote (repo_path TEXT, sha256 BLOB, git_sha1 BLOB)")
        try:
            yield []
        finally:
            self._connection.rows("DROP TABLE IF EXISTS temp.remote")

    def _add_remote(self, found: list[tuple[object, ...]]) -> None:
        self._connection.many("INSERT INTO temp.remote VALUES (?, ?, ?)", found)
        found.clear()
