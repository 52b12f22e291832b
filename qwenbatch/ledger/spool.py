"""The last resort: a file that is there before the disk is full, for ends the ledger cannot take.

It is allocated when a run begins, beside the ledger, so that writing into it needs no new room.
A record is its length, its checksum, and JSON; what the next start finds in it is taken in before
anything that is `sending` is called uncertain.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from qwenbatch.core.attempts import AttemptEnd, AttemptId
from qwenbatch.core.keys import EditKey
from qwenbatch.core.money import MicroUSD
from qwenbatch.errors import DiskError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORD_BYTES = 64 * 1024
"""Room for one record; a longer raw answer is cut to fit, for what counts is read from it."""

_RAW_BYTES = 32 * 1024
_HEAD = 8


class SpooledEnd(msgspec.Struct, frozen=True, tag="end"):
    """An attempt's end, at a moment in milliseconds, and its price where that is known."""

    ended: AttemptEnd
    at: int
    price: MicroUSD | None = None


class SpooledRelease(msgspec.Struct, frozen=True, tag="release"):
    """A permit that was given back."""

    key: EditKey
    attempt: AttemptId


Spooled: TypeAlias = SpooledEnd | SpooledRelease

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Spooled).decode


class Spool:
    """One run's spool, open and allocated. Its methods block for a moment."""

    def __init__(self, path: Path, *, records: int) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(path, error) from error
        self._size = records * RECORD_BYTES
        self._end = 0
        try:
            os.posix_fallocate(self._descriptor, 0, self._size)
            # Written once, so that the blocks are ours on file systems that only promise them.
            os.pwrite(self._descriptor, bytes(_HEAD), 0)
            os.fsync(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise DiskError(
                f"there is no room for the spool {path}: {error.strerror}",
                f"free at least {self._size // 1024:,} KB, then start the same command again",
            ) from error

    @property
    def half_full(self) -> bool:
        """Whether less than half of the room is left."""
        return 2 * self._end > self._size

    def has_room(self, records: int) -> bool:
        """Whether so many more fit in, however long they are."""
        return self._end + records * RECORD_BYTES + _HEAD <= self._size

    def clear(self) -> None:
        """Forget every record: the ledger has them. DiskError if the disk does not take it."""
        try:
            os.pwrite(self._descriptor, bytes(_HEAD), 0)
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise DiskError(f"the spool cannot be written: {error.strerror}") from error
        self._end = 0

    def add(self, *spooled: Spooled) -> None:
        """Make records durable; DiskError if even that cannot be done."""
        record = b"".join(map(_record, spooled))
        if self._end + len(record) + _HEAD > self._size:
            raise DiskError("the spool is full: an answer could not be recorded")
        try:
            os.pwrite(self._descriptor, record + bytes(_HEAD), self._end)
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise DiskError(f"the spool cannot be written: {error.strerror}") from error
        self._end += len(record)

    def close(self) -> None:
        """Let go of the file; what is in it stays for the next start."""
        os.close(self._descriptor)


def read(path: Path) -> Iterator[Spooled]:
    """What an earlier run left in its spool, up to the first record that is not whole.

    Raises DiskError if there is one that cannot be read: a paid answer may be in it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(path, error) from error
    start = 0
    while length := int.from_bytes(data[start : start + 4]):
        body = data[start + _HEAD : start + _HEAD + length]
        if zlib.crc32(body) != int.from_bytes(data[start + 4 : start + _HEAD]):
            return
        try:
            yield _decode(body)
        except msgspec.DecodeError:
            return
        start += _HEAD + length


def _unusable(path: Path, error: OSError) -> DiskError:
    return DiskError(
        f"the spool {path} cannot be opened: {error.strerror}",
        "make it a file that you may read and write, or move it away if it is none of ours",
    )


def _record(spooled: Spooled) -> bytes:
    body = _encode(_cut(spooled))
    return len(body).to_bytes(4) + zlib.crc32(body).to_bytes(4) + body


def _cut(spooled: Spooled) -> Spooled:
    if isinstance(spooled, SpooledRelease) or len(spooled.ended.raw) <= _RAW_BYTES:
        return spooled
    ended = msgspec.structs.replace(spooled.ended, raw=spooled.ended.raw[:_RAW_BYTES])
    return msgspec.structs.replace(spooled, ended=ended)
