"""Which file system a path lies on, and whether a ledger may lie there.

SQLite's write-ahead log needs memory that all its readers share, and `flock` a kernel that knows
all holders: no file system that several machines mount gives both for sure.
"""

from __future__ import annotations

import re

_NETWORK = frozenset(
    {
        "9p",
        "acfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "pvfs2",
        "smb3",
        "smbfs",
        "sshfs",
        "vboxsf",
        "wekafs",
    },
)
_NETWORK_FUSE = frozenset(
    {
        "beegfs",
        "blobfuse",
        "blobfuse2",
        "ceph",
        "ceph-fuse",
        "curlftpfs",
        "davfs",
        "davfs2",
        "gcsfuse",
        "glusterfs",
        "goofys",
        "juicefs",
        "mount-s3",
        "rclone",
        "s3fs",
        "seaweedfs",
        "smbnetfs",
        "sshfs",
    },
)

_OCTAL = re.compile(r"\\([0-7]{3})")
_LEAST_FIELDS, _POINT = 6, 4


def file_system(mountinfo: str, path: str) -> str | None:
    """The type of the file system that an absolute, resolved path lies on; None if it is not told.

    `mountinfo` is the text of /proc/self/mountinfo, as proc_pid_mountinfo(5) describes it: a mount
    point has its white space in octal, and of two mounts at one point the later covers the former.
    """
    best, kind = "", None
    for line in mountinfo.splitlines():
        head, separator, tail = line.partition(" - ")
        fields, types = head.split(" "), tail.split(" ")
        if not separator or len(fields) < _LEAST_FIELDS or not types[0]:
            continue
        point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[_POINT])
        if len(point) >= len(best) and _is_below(path, point):
            best, kind = point, types[0]
    return kind


def is_network(kind: str) -> bool:
    """Whether a file system of this type is reached over a network, or shared by machines."""
    outer, _, inner = kind.partition(".")
    return kind in _NETWORK or (outer in {"fuse", "fuseblk"} and inner in _NETWORK_FUSE)


def _is_below(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")
