from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.ledger.file_system import file_system, is_network

MOUNTS = r"""
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /mnt/share rw,relatime shared:7 - nfs4 server:/export rw,vers=4.2
41 40 0:41 / /mnt/share/local rw - xfs /dev/vdb rw
42 27 0:42 / /mnt/two\040words rw - fuse.sshfs me@host: rw
43 27 0:43 / /srv rw - nfs server:/old rw
44 27 0:44 / /srv rw - tmpfs tmpfs rw
""".strip()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/out/.qwenbatch/ledger.db", "ext4"),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/out", "nfs4"),
        ("/mnt/shared/out", "ext4"),
        ("/mnt/share/local/out", "xfs"),
        ("/mnt/two words/out", "fuse.sshfs"),
        ("/srv/out", "tmpfs"),
    ],
)
def test_file_system_is_that_of_the_nearest_and_latest_mount(path: str, kind: str) -> None:
    assert file_system(MOUNTS, path) == kind


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "lustre", "afs"],
)
def test_file_system_of_many_machines_is_a_network_one(kind: str) -> None:
    assert is_network(kind)


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "fuse.ntfs-3g", "apfs"]
)
def test_file_system_of_one_machine_is_local(kind: str) -> None:
    assert not is_network(kind)


@given(mounts=st.text(), path=st.text())
def test_file_system_is_unknown_rather_than_an_error(mounts: str, path: str) -> None:
    assert isinstance(file_system(mounts, f"/{path}"), str | None)
