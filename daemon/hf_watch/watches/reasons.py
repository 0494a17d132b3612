"""Why a watch says Gap; the texts appear in the log as `watch.gap reason=...` and stay as they are.

But for a new directory, of which nothing was missed.
"""

from __future__ import annotations

import errno

OVERFLOW = "kernel queue overflowed"
NEW_DIRECTORY = "new directory"  # created, moved in or renamed: files that came with it give no event of their own
UNREADABLE = "unreadable directory"
READABLE = "directory became readable"
NO_WATCHES = "no inotify watches left"
WATCHED_AGAIN = "inotify watches to be had again"
NO_INSTANCE = "no inotify instance left"
NO_INOTIFY = "no inotify on this system"
REFUSED = "directory cannot be watched"
UNMOUNTED = "unmounted below the root"
REMOUNTED = "mounted or unmounted below the root"
ROOT_DELETED = "root deleted"
ROOT_RENAMED = "root renamed"
ROOT_UNMOUNTED = "root unmounted"
ROOT_REMOUNTED = "root mounted anew"  # over it, or the whole of what it lies on
CRASHED = "watch crashed"
HINTS_LOST = "hints lost by their consumer"


def because(reason: str, error: OSError) -> str:
    """The reason with the name of its errno: `no inotify watches left: ENOSPC`."""
    return f"{reason}: {errno.errorcode.get(error.errno or 0, error.strerror)}"
