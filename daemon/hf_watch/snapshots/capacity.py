"""How much the Hub takes, known before it refuses: files of a repo, entries of a folder, bytes of a file.

Counted is what the ledger knows of, which is what hf-watch put there; what others put there is not asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_watch.paths import parent

if TYPE_CHECKING:
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.targets.findings import Found

MOST_ENTRIES = 10_000  # of a folder, as the Hub's documentation has it; so are the next two
MOST_FILES = 100_000  # of a repo
MOST_BYTES = 500 * 10**9  # of a file
NEAR_SHARE = 0.8  # from here on it is said
SPREADING = 'spread them over more folders: path_in_repo = "{sha256:.2}/{relpath}"'


class Capacity:
    """What one destination's repo still takes. On its worker's thread."""

    def __init__(
        self, ledger: Ledger, *, most_entries: int = MOST_ENTRIES, most_files: int = MOST_FILES,
        most_bytes: int = MOST_BYTES,
    ) -> None:  # fmt: skip
        self._ledger = ledger
        self._most_entries = most_entries
        self._most_files = most_files
        self._most_bytes = most_bytes
        self._files: int | None = None
        self._entries: dict[str, int] = {}  # by folder of the repo
        self._said: set[str] = set()

    def begin(self) -> None:
        """A commit is being gathered; what the last one put there, or removed, is in the ledger by now."""
        self._files = None
        self._entries.clear()

    def why_not(self, found: Found) -> str | None:
        """Why the Hub will not take a file; None when it will, and it is counted then."""
        if found.snapshot.fingerprint.size_bytes > self._most_bytes:
            return f"it is larger than {self._most_bytes // 10**9} GB, the most that the Hub takes of one file"
        if found.known is not None and found.known.repo_path == found.repo_path:
            return None  # it is there already, or was counted when it was about to be
        folder = parent(found.repo_path)
        files, entries = self._count_files(found), self._count_entries(found, folder)
        if files >= self._most_files:
            return f"the repo holds {files} files of ours, and the Hub takes {self._most_files}: use another one"
        if entries >= self._most_entries:
            return f"{folder or 'the repo'}/ holds {entries} files, and the Hub takes no more in a folder; {SPREADING}"
        self._files, self._entries[folder] = files + 1, entries + 1
        self._warn(found, folder, files, entries)
        return None

    def _count_files(self, found: Found) -> int:
        if self._files is None:
            self._files = self._ledger.files.count_in(found.target.root.destination_id)
        return self._files

    def _count_entries(self, found: Found, folder: str) -> int:
        if folder not in self._entries:
            self._entries[folder] = self._ledger.files.count_beside(found.target.root, found.waiting.path, folder)
        return self._entries[folder]

    def _warn(self, found: Found, folder: str, files: int, entries: int) -> None:
        if files >= NEAR_SHARE * self._most_files:
            self._say(found, "", f"the repo is four fifths full: the Hub takes {self._most_files} files")
        if entries >= NEAR_SHARE * self._most_entries:
            said = f"this folder is four fifths full: the Hub takes {self._most_entries} entries; {SPREADING}"
            self._say(found, folder + "/", said)

    def _say(self, found: Found, place: str, reason: str) -> None:
        if place not in self._said:
            self._said.add(place)
            found.target.journal.tell("warning", "limit.near", place, reason)
