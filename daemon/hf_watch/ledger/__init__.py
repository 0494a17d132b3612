"""What the Hub is known to hold: one SQLite file in the state directory.

A row of `file` with a digest vouches that the Hub holds that content at `repo_path`. Before a commit its rows lose
their digest (they are in doubt) and every content that the Hub may hold afterwards is noted as a candidate; only an
answer of the Hub gives a digest back. Paths are bytes: a name need not be UTF-8. A directory's rows lie together, so
that a scan reads one directory at a time.
"""
