"""What was put into a directory is there after a loss of power, too."""

from __future__ import annotations

import os


def sync_directory(directory: str) -> None:
    """Let the names in a directory reach the disk. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
