"""The note in an OUT in a store that leads to its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.errors import StoreError

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
        """Make it, durably; False if another has come to lie there.

        Raises StoreError where the store obeys no condition: results would lie over others.
        """
        trial = f"{self._key}.trial"
        if all(self._bucket.create_whole(trial, b"") for _ in range(2)):
            raise StoreError(
                f"{self._bucket.place('')} writes over what lies there, though it was told not to",
                "put results into a store that obeys If-None-Match, or into a folder",
            )
        self._bucket.delete_whole(trial)
        return self._bucket.create_whole(self._key, content)
