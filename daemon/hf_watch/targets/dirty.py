"""Which directories below a root are to be scanned. Pure; one thread owns it."""

from __future__ import annotations

from hf_watch.paths import within

MOST_DIRECTORIES = 1_000  # above it one scan of the whole root is cheaper than telling them apart


class ScanQueue:
    """Directories to be scanned with all that is below them, none inside another one of the queue."""

    def __init__(self) -> None:
        self._directories: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._directories)

    def add(self, directory: str) -> None:
        """Ask for a scan of `directory`; one of a directory above it will do."""
        if any(within(directory, other) for other in self._directories):
            return
        for covered in [other for other in self._directories if within(other, directory)]:
            del self._directories[covered]
        self._directories[directory] = None
        if len(self._directories) > MOST_DIRECTORIES:
            self._directories = {"": None}

    def pop(self) -> str:
        """Take out the directory that was asked for first."""
        directory = next(iter(self._directories))
        del self._directories[directory]
        return directory

    def clear(self) -> None:
        self._directories.clear()
