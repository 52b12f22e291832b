"""The note in an OUT in a store that leads to its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwenbatch.stores.bucket import Bucket

_MOST_BYTES = 64 * 1024


class ObjectNote:
    """A small object, read and written whole, blocking. Failures are StoreErrors."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key

    def __str__(self) -> str:
        return self._bucket.place(self._key)

    def read(self) -> bytes | None:
        """What it says; None if there is none."""
        return self._bucket.read_whole(self._key, most=_MOST_BYTES)

    def write(self, content: bytes) -> bool:
        """Make it, durably; False if another has come to lie there."""
        return self._bucket.create_whole(self._key, content)
