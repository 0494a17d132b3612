"""Which file system a path lies on, from tables as the kernel writes them."""

from __future__ import annotations

import pytest

from hf_watch.watches.filesystems import Mount, mount_of, mounts_below, parse_mounts

TABLE = rb"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:26 / /srv rw shared:2 - xfs /dev/sdb rw
31 30 0:27 / /srv/my\040drop\134x rw,noatime shared:3 master:1 - nfs4 server:/export rw,vers=4.2
32 22 0:28 / /srv-too rw - fuse.sshfs host: rw
33 30 0:29 / /srv/top rw - nfs4 server:/old rw
34 33 0:30 / /srv/top rw - tmpfs none rw
35 22 0:31 / /odd\377 rw - tmpfs none rw

not a line of the table
"""
MOUNTS = parse_mounts(TABLE)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/home/me", "ext4"),
        ("/srv", "xfs"),
        ("/srv/other/deep", "xfs"),
        ("/srv/my drop\\x", "nfs4"),
        ("/srv/my drop\\x/deep", "nfs4"),
        ("/srv/my drop\\xy", "xfs"),
        ("/srv-too/a", "fuse.sshfs"),
        ("/srv-tools", "ext4"),
        ("/srv/top/a", "tmpfs"),  # mounted over another
        ("/odd\udcff/a", "tmpfs"),
    ],
)
def test_the_longest_mount_point_counts_and_of_equal_ones_the_topmost(path: str, kind: str) -> None:
    found = mount_of(path, MOUNTS)
    assert found is not None
    assert found.kind == kind


def test_without_a_table_nothing_is_known() -> None:
    assert mount_of("/srv", ()) is None


def test_mounts_below_a_root() -> None:
    below = {path: mount.kind for path, mount in mounts_below("/srv", MOUNTS).items()}
    assert below == {"my drop\\x": "nfs4", "top": "tmpfs"}
    assert set(mounts_below("/", MOUNTS)) == {"srv", "srv/my drop\\x", "srv-too", "srv/top", "odd\udcff"}


@pytest.mark.parametrize(
    ("kind", "blind"),
    [
        *((kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "lustre", "gpfs", "afs")),
        *((kind, True) for kind in ("vboxsf", "fuse", "fuse.sshfs", "fuse.rclone", "fuseblk")),
        *((kind, False) for kind in ("ext4", "xfs", "btrfs", "tmpfs", "zfs", "overlay", "f2fs", "fusectl")),
    ],
)
def test_where_the_kernel_does_not_see_every_change(kind: str, blind: bool) -> None:
    assert Mount("/", kind).blind is blind
