"""A ledger that an older hf-watch wrote goes on serving."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from hf_watch.ledger.ledger import Ledger
from hf_watch.ledger.records import looked_into
from hf_watch.ledger.schema import MIGRATIONS, SCHEMA, SCHEMA_VERSION
from tests.disk import fill
from tests.engine import DESTINATION, Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from pathlib import Path

TO_3 = """
DROP TABLE wait;
ALTER TABLE file DROP COLUMN batch;
DROP TABLE part;
DROP INDEX batch_at;
ALTER TABLE batch RENAME TO batch_of_4;
CREATE TABLE batch (
  id TEXT PRIMARY KEY, destination_id INTEGER NOT NULL REFERENCES destination, at_s REAL NOT NULL,
  commit_id TEXT, files INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
INSERT INTO batch SELECT id, destination_id, at_s, commit_id, files, bytes FROM batch_of_4;
DROP TABLE batch_of_4;
CREATE INDEX batch_at ON batch (at_s);
"""
TO_1 = f"""
{TO_3}
DROP INDEX file_mapped;
ALTER TABLE file DROP COLUMN is_mapped;
ALTER TABLE candidate DROP COLUMN repo_path;
DROP INDEX quarantine_claim;
ALTER TABLE quarantine DROP COLUMN repo_path;
DROP TABLE missing;
"""


def _columns(db: sqlite3.Connection) -> dict[str, set[str]]:
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'index')")]
    return {name: {row[1] for row in db.execute(f"PRAGMA table_xinfo({name})")} for name in tables}


def test_what_the_first_version_recorded_is_not_published_again(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a": b"1", "d/b": b"2"})
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(tmp_path / "drop", on_delete="mirror")], hub)
    engine.sync()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None)) as db:
        db.executescript(TO_1)
        db.execute("UPDATE file SET sha256 = NULL WHERE name = CAST('a' AS BLOB)")
        db.execute("PRAGMA user_version = 1")
    calls = len(hub.calls)
    engine.sync()
    assert "commit" not in hub.calls[calls:]
    (tmp_path / "drop" / "a").unlink()
    engine.sync()
    assert hub.repo.files == {"incoming/d/b": b"2"}


def test_a_migrated_ledger_has_the_columns_of_a_new_one() -> None:
    with closing(sqlite3.connect(":memory:")) as new, closing(sqlite3.connect(":memory:")) as old:
        new.executescript(SCHEMA)
        old.executescript(SCHEMA + TO_1 + "".join(MIGRATIONS))
        assert _columns(old) == _columns(new)
    assert len(MIGRATIONS) == SCHEMA_VERSION - 1


def test_what_the_third_version_committed_is_remembered(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a": b"1"})
    engine = Engine(tmp_path, [target_spec(tmp_path / "drop")], FakeHub())
    engine.sync()
    file = tmp_path / "ledger.sqlite3"
    with looked_into(file) as records:
        [before] = records.commits(DESTINATION, 10)
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.executescript(TO_3)
        db.execute("PRAGMA user_version = 3")
    with Ledger(file), looked_into(file) as records:
        assert records.commits(DESTINATION, 10) == [before]
