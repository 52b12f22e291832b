"""The sidecars of results in a store: put whole beside them, and never over what is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.core.provenance import MOST_SIDECAR_BYTES, is_sidecar, sidecar_path
from qwenbatch.errors import DiskError, StoreError
from qwenbatch.stores.crowd import each
from qwenbatch.stores.failures import MissingError, TakenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwenbatch.core.store_url import StoreUrl
    from qwenbatch.stores.bucket import Bucket


class StoreSidecars:
    """The sidecars below one OUT in a store. Failures of the store are DiskErrors."""

    def __init__(self, bucket: Bucket, out: StoreUrl) -> None:
        self._bucket = bucket
        self._out = out

    async def read(self, results: Sequence[str]) -> list[bytes]:
        """What lies beside results, relative to OUT; empty where nothing does, or nothing of ours.

        What is too long to be a sidecar counts as empty.
        """
        found: dict[str, bytes] = {}

        async def read(result: str) -> None:
            found[result] = await self._read(sidecar_path(result)) or b""

        try:
            await each(list(dict.fromkeys(results)), read)
        except StoreError as error:
            raise DiskError(error.what, error.advice) from error
        return [found[result] for result in results]

    async def write(self, result: str, content: bytes) -> bool:
        """Put a sidecar beside a result; False if what lies there is not ours."""
        key = (self._out / sidecar_path(result)).key
        try:
            seen = await self._bucket.look(key)
            if seen is None:
                await self._bucket.create(key, content)
                return True
            if not is_sidecar(await self._read(sidecar_path(result)) or b""):
                return False
            await self._bucket.replace(key, content, seen)
        except TakenError:
            # Someone's, or an earlier try's whose answer was lost.
            return await self._read(sidecar_path(result)) == content
        except StoreError as error:
            raise DiskError(error.what, error.advice) from error
        return True

    async def result(self, result: str) -> bytes | None:
        """The bytes of a result; None if it is gone or cannot be read."""
        try:
            return await self._bytes((self._out / result).key, most=None)
        except StoreError:
            return None

    async def _read(self, relative: str) -> bytes | None:
        key = (self._out / relative).key
        seen = await self._bucket.look(key)
        if seen is None or seen.size > MOST_SIDECAR_BYTES:
            return None
        return await self._bytes(key, most=MOST_SIDECAR_BYTES)

    async def _bytes(self, key: str, *, most: int | None) -> bytes | None:
        read = bytearray()

        async def take(chunk: bytes) -> None:
            read.extend(chunk)

        try:
            await self._bucket.read(key, take, most=most)
        except MissingError:
            return None
        return bytes(read)
