"""A source as it was when it was keyed."""

from __future__ import annotations

import msgspec

from qwenbatch.core.pictures import Picture


class SourceStamp(msgspec.Struct, frozen=True):
    """What tells, without reading it, that a source's file is as it was: bytes, ns, inode."""

    size: int
    mtime: int
    ctime: int
    inode: int


class Problem(msgspec.Struct, frozen=True):
    """Why a source cannot be edited, and what to do about it.

    `passing`: it was changing while it was read, and may be sound once it has come to rest.
    """

    what: str
    advice: str = ""
    passing: bool = False


class SourceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a source's bytes say: their SHA-256, and the picture in them or what is wrong.

    `stamp` is the file's when it was read; for an inline source, the manifest's.
    """

    digest: bytes
    stamp: SourceStamp
    picture: Picture | None = None
    problem: Problem | None = None
