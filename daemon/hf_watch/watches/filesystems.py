"""Which file system a directory lies on, and whether the kernel sees every change that is made to it.

overlayfs is watched like any local one: what is changed through the merged side is seen, and a change made behind its
back in a layer waits for the next rescan.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")

# Here other machines, or a process behind the mount, change files without this kernel's knowing.
BLIND = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "gpfs", "kafs", "lustre", "ncpfs", "nfs", "nfs4",
    "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs", "wekafs",
})  # fmt: skip
FUSE = re.compile(r"fuse(blk)?(\.|$)")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo: where, which type, and which of all the mounts since the system's start."""

    point: str
    kind: str
    number: int = 0

    @property
    def blind(self) -> bool:
        """Whether changes can be made to it that inotify does not report."""
        return self.kind in BLIND or FUSE.match(self.kind) is not None


def read_mounts(mountinfo: Path = MOUNTINFO) -> tuple[Mount, ...]:
    """What is mounted, in the order of mounting; nothing where there is no such table."""
    try:
        table = mountinfo.read_bytes()
    except OSError:
        return ()
    return parse_mounts(table)


def parse_mounts(table: bytes) -> tuple[Mount, ...]:
    """The mounts of a mountinfo table (proc_pid_mountinfo(5)); lines of another shape are passed over."""
    return tuple(mount for line in table.split(b"\n") if (mount := _mount(line)) is not None)


def _mount(line: bytes) -> Mount | None:
    before, separator, after = line.partition(b" - ")
    fields, kinds = before.split(b" "), after.split(b" ")
    if not separator or len(fields) < 6:
        return None
    return Mount(os.fsdecode(_unescape(fields[4])), os.fsdecode(_unescape(kinds[0])), int(fields[0]))


def _unescape(field: bytes) -> bytes:
    """The kernel writes space, tab, newline, backslash and # as three octal digits."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8) & 0xFF]), field)


def mount_of(path: str, mounts: tuple[Mount, ...]) -> Mount | None:
    """The mount that the absolute, resolved `path` lies on: the longest match; of equal ones the topmost, the last."""
    found: Mount | None = None
    for mount in mounts:
        if _holds(mount.point, path) and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def mounts_below(root: str, mounts: tuple[Mount, ...]) -> dict[str, Mount]:
    """What is mounted below `root`, by relative path; of several at one place the topmost."""
    base = root.rstrip("/") + "/"
    return {mount.point[len(base) :]: mount for mount in mounts if mount.point.startswith(base) and mount.point != base}


def _holds(point: str, path: str) -> bool:
    return point in {"/", path} or path.startswith(point + "/")
