"""One bucket: each thing that we ask of it, with its failures translated.

obstore itself tries again what a store's busyness, a 5xx or a broken connection has spoiled, as
often and as long as `opening` says.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from qwenbatch.core.store_url import StoreUrl
from qwenbatch.errors import StoreError
from qwenbatch.stores.failures import MissingError, TakenError, translated
from qwenbatch.stores.sight import Sight, sight_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

PAGE = 1000
"""Objects of a list that come with one answer."""

_CHUNK = 256 * 1024
_TYPES = {".json": "application/json", ".html": "text/html; charset=utf-8", ".webp": "image/webp"}


class Bucket:
    """A bucket. Keys are whole; every failure that is not foreseen below is a StoreError."""

    def __init__(self, store: Any, scheme: str, name: str) -> None:
        import obstore  # noqa: PLC0415 - an extra

        self._store = store
        self._do = obstore
        self.scheme = scheme
        self.name = name

    def place(self, key: str) -> str:
        """An object's URL."""
        return str(StoreUrl(self.scheme, self.name, key))

    # ------------------------------------------------------------------ looking

    async def look(self, key: str) -> Sight | None:
        """An object as it is; None if there is none."""
        try:
            with translated(self.place(key), "looked at"):
                return sight_of(cast("Any", await self._do.head_async(self._store, key)))
        except MissingError:
            return None

    async def pages(self, folder: str, *, after: str) -> AsyncIterator[list[tuple[str, Sight]]]:
        """Objects below a folder behind a key, by pages, in the order of their keys' bytes."""
        with self._listing(folder):
            async for page in self._listed(folder, after):
                yield [(one["path"], sight_of(cast("Any", one))) for one in page]

    def walk(self, folder: str, *, after: str = "") -> Iterator[list[tuple[str, Sight]]]:
        """The same, blocking."""
        with self._listing(folder):
            for page in self._listed(folder, after):
                yield [(one["path"], sight_of(cast("Any", one))) for one in page]

    def _listed(self, folder: str, after: str) -> Any:
        return self._do.list(self._store, folder or None, offset=after or None, chunk_size=PAGE)

    def _listing(self, folder: str) -> Any:
        return translated(self.place(folder), "listed")

    # ------------------------------------------------------------------ reading

    async def read(
        self, key: str, write: Callable[[bytes], Awaitable[object]], *, most: int | None = None
    ) -> Sight:
        """Stream an object into `write`; what was read.

        MissingError if there is none, StoreError if it is longer than `most` bytes.
        """
        with translated(self.place(key), "read"):
            got = await self._do.get_async(self._store, key)
            sight = sight_of(cast("Any", got.meta))
            if most is not None and sight.size > most:
                raise StoreError(f"{self.place(key)} is longer than {most:,} bytes")
            chunks = got.stream(min_chunk_size=_CHUNK).__aiter__()
        while True:
            with translated(self.place(key), "read"):
                chunk = await anext(chunks, None)
            if chunk is None:
                return sight
            # What the writer raises is its own.
            await write(bytes(chunk))

    async def digest(self, key: str) -> bytes | None:
        """The SHA-256 of an object's bytes; None if there is none."""
        running = hashlib.sha256()

        async def hash_chunk(chunk: bytes) -> None:
            running.update(chunk)

        try:
            await self.read(key, hash_chunk)
        except MissingError:
            return None
        return running.digest()

    def read_whole(self, key: str, *, most: int) -> bytes | None:
        """A small object, blocking; None if there is none. StoreError if it is longer."""
        try:
            with translated(self.place(key), "read"):
                got = self._do.get(self._store, key)
                if got.meta["size"] > most:
                    raise StoreError(f"{self.place(key)} is longer than {most:,} bytes")
                return bytes(got.bytes())
        except MissingError:
            return None

    def read_to(self, key: str, write: Callable[[bytes], object]) -> Sight:
        """Stream an object into `write`, blocking. MissingError if there is none."""
        with translated(self.place(key), "read"):
            got = self._do.get(self._store, key)
            sight = sight_of(cast("Any", got.meta))
            chunks = iter(got.stream(min_chunk_size=_CHUNK))
        while True:
            with translated(self.place(key), "read"):
                chunk = next(chunks, None)
            if chunk is None:
                return sight
            write(bytes(chunk))

    # ------------------------------------------------------------------ writing

    async def create(self, key: str, content: bytes) -> Sight:
        """Put an object where none lies; TakenError if one does."""
        return await self._put(key, content, "create")

    async def replace(self, key: str, content: bytes, seen: Sight) -> Sight:
        """Put an object in place of what was seen; TakenError if that lies there no longer."""
        stands = {"e_tag": seen.etag} if seen.etag else {}
        if seen.version:
            stands["version"] = seen.version
        return await self._put(key, content, stands)

    async def overwrite(self, key: str, content: bytes) -> Sight:
        """Put an object, whatever lies there."""
        return await self._put(key, content, "overwrite")

    async def _put(self, key: str, content: bytes, mode: Any) -> Sight:
        try:
            with translated(self.place(key), "written"):
                put = await self._do.put_async(
                    self._store,
                    key,
                    content,
                    attributes=_attributes(key),
                    mode=mode,
                    use_multipart=False,
                )
        except MissingError:
            # If-Match where nothing lies any more.
            raise TakenError from None
        if put["e_tag"]:
            return Sight(len(content), 0, put["e_tag"], put["version"])
        return await self.look(key) or Sight(len(content), 0, None, put["version"])

    def create_whole(self, key: str, content: bytes) -> bool:
        """Put a small object where none lies, blocking; False if one does."""
        try:
            with translated(self.place(key), "written"):
                self._do.put(
                    self._store,
                    key,
                    content,
                    attributes=_attributes(key),
                    mode="create",
                    use_multipart=False,
                )
        except TakenError:
            return False
        return True

    def delete_whole(self, key: str) -> None:
        """Remove an object, blocking; there may be none."""
        with suppress(MissingError), translated(self.place(key), "removed"):
            self._do.delete(self._store, key)

    async def copy(self, key: str, to: str) -> bool:
        """Copy an object within the bucket; False if there is none."""
        try:
            with translated(self.place(to), "written"):
                await self._do.copy_async(self._store, key, to)
        except MissingError:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Remove an object; there may be none."""
        try:
            with translated(self.place(key), "removed"):
                await self._do.delete_async(self._store, key)
        except MissingError:
            pass


def _attributes(key: str) -> dict[str, str]:
    dot = key.rfind(".")
    return {"Content-Type": _TYPES.get(key[dot:].lower(), "image/png")} if dot > 0 else {}
