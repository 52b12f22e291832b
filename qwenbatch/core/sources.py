"""A source as it was when it was keyed."""

from __future__ import annotations

from typing import final

import msgspec

from qwenbatch.core.pictures import Picture


class SourceStamp(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What tells, without reading it, that a source's file is as it was: bytes, ns, inode."""

    size: int
    mtime: int
    ctime: int
    inode: int


@final
class Problem(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Why a source cannot be edited, and what to do about it.

    `passing`: it was changing while it was read, and may be sound once it has come to rest.
    """

    what: str
    advice: str = ""
    passing: bool = False


@final
class SourceFacts(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What a source's bytes say: their SHA-256, and the picture in them or what is wrong.

    `stamp` is the file's when it was read; for an inline source, the manifest's.
    """

    digest: bytes
    stamp: SourceStamp
    picture: Picture | None = None
    problem: Problem | None = None
