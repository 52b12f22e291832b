"""A paid result's way to its items' paths, as values that cross the ports."""

from __future__ import annotations

import msgspec

from qwenbatch.core.keys import EditKey
from qwenbatch.core.verdicts import Usage


class FileStamp(msgspec.Struct, frozen=True, gc=False):
    """What tells, without reading it, that a file is the one we know: bytes, ns, inode."""

    size: int
    mtime: int
    inode: int


class PaidAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One paid answer of an edit. `answered_at` is in seconds since the epoch.

    `url` is None where the invoice alone says that it was paid.
    """

    url: str | None
    usage: Usage
    request_id: str
    answered_at: float


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """One path of an edit. `path` is the item's, relative to OUT.

    Where the result is no PNG its file has `suffix` behind the path; where another edit has taken
    the path over, its file was moved to `replaced`, relative to OUT. `digest` is of the verified
    file, recorded before it is put into place.
    """

    path: str
    suffix: str = ""
    replaced: str | None = None
    digest: bytes | None = None
    stamp: FileStamp | None = None

    @property
    def file(self) -> str:
        """Where its file is, or is to be, relative to OUT."""
        return self.replaced or self.path + self.suffix


class PaidEdit(msgspec.Struct, frozen=True, kw_only=True):
    """An edit that is paid for: its answers, the paths that wait for it, and those that have it."""

    key: EditKey
    answers: tuple[PaidAnswer, ...]
    waiting: tuple[Placement, ...]
    saved: tuple[Placement, ...]


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """A verified result that is about to be renamed into place.

    `displaced` is the other edit's result that lies there, and where it is moved to.
    """

    key: EditKey
    path: str
    suffix: str
    replaced: str | None
    digest: bytes
    size: int
    displaced: Displaced | None = None


class Displaced(msgspec.Struct, frozen=True):
    """Another edit's result that makes room, and where it goes, relative to OUT."""

    key: EditKey
    to: str


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """A result that is in place, flushed, its folder too."""

    key: EditKey
    path: str
    stamp: FileStamp
