"""Pictures that came within their answers: kept here, whole and flushed, until they are in place.

A file is named by its edit and its attempt, and complete once it has that name: so one that a
death left behind tells of an answer that the ledger has not heard of yet.
"""

from __future__ import annotations

import os
import re
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import anyio

from qwenbatch.core.attempts import AttemptId
from qwenbatch.core.keys import EditKey
from qwenbatch.core.results import Trouble, Unfetched
from qwenbatch.results.disk import translated
from qwenbatch.results.folders import flush_folder, make_folder
from qwenbatch.results.stage import HELD_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from qwenbatch.core.offload import Offload

SCHEME = "answer:"
"""Begins the URL of such a picture, which only this program can follow."""

_is_ours = re.compile(rf"{SCHEME}[0-9a-f]{{32}}").fullmatch
"""No URL that a server tells may lead into our folders: those have `://`, or are data URIs."""

_is_name = re.compile(r"(?P<key>[0-9a-f]{64})-(?P<attempt>[0-9a-f]{32})").fullmatch

_PART = ".part"
_CHUNK = 256 * 1024


def is_kept(url: str) -> bool:
    """Whether a result's URL is that of a picture that was kept here."""
    return _is_ours(url) is not None


def url_of(attempt: AttemptId) -> str:
    """The URL of the picture that came with an attempt's answer."""
    return f"{SCHEME}{attempt.hex}"


class Page:
    """The file of one picture. Every failure of the disk is a DiskError."""

    def __init__(self, file: Path, url: str, offload: Offload) -> None:
        self._file = file
        self._offload = offload
        self._part = file.with_name(file.name + _PART)
        self._url = url
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._descriptor: int | None = None

    @property
    def is_begun(self) -> bool:
        """Whether there is a file that was not kept."""
        return self._descriptor is not None

    async def write(self, piece: bytes) -> None:
        """The picture's next bytes; they are gathered, and written by larger pieces."""
        self._held.append(piece)
        self._held_bytes += len(piece)
        if self._held_bytes >= HELD_BYTES:
            await self._offload(self._write_held)

    async def keep(self) -> str:
        """Flush the picture and give its file its name; the URL under which it is found."""
        await self._offload(self._keep)
        return self._url

    def close(self) -> None:
        """Let go of a picture that did not come whole."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            with suppress(OSError):
                self._part.unlink(missing_ok=True)

    def _keep(self) -> None:
        descriptor = self._write_held()
        with translated(self._file):
            os.fsync(descriptor)
            self._descriptor = None
            os.close(descriptor)
            self._part.rename(self._file)
            flush_folder(self._file.parent)

    def _write_held(self) -> int:
        with translated(self._part):
            if self._descriptor is None:
                make_folder(self._part.parent, mode=0o700)
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
                self._descriptor = os.open(self._part, flags, 0o600)
            view = memoryview(b"".join(self._held))
            while view:
                view = view[os.write(self._descriptor, view) :]
        self._held.clear()
        self._held_bytes = 0
        return self._descriptor


class KeptPictures:
    """The pictures of one OUT that came within their answers, in a folder of ours."""

    def __init__(self, folder: Path, *, offload: Offload) -> None:
        self._folder = folder
        self._offload = offload

    @asynccontextmanager
    async def page(self, key: EditKey, attempt: AttemptId) -> AsyncIterator[Page]:
        """A file for the picture that an attempt's answer may bring; gone unless it is kept."""
        page = Page(self._file(key, url_of(attempt)), url_of(attempt), self._offload)
        try:
            yield page
        finally:
            # Most answers bring none: those are not worth a turn in a thread.
            if page.is_begun:
                with anyio.CancelScope(shield=True):
                    await self._offload(page.close)

    async def stream(
        self,
        key: EditKey,
        url: str,
        sink: Callable[[bytes], Awaitable[None]],
    ) -> Unfetched | None:
        """Hand a picture to `sink` in chunks; None once all of it was."""
        import aiofiles  # noqa: PLC0415 - few doors bring pictures within their answers

        try:
            async with aiofiles.open(self._file(key, url), "rb", buffering=0) as file:
                while chunk := await file.read(_CHUNK):
                    await sink(chunk)
        except FileNotFoundError:
            gone = "it came within its answer, and is no longer where it was kept"
            return Unfetched(Trouble.GONE, gone)
        except OSError as error:
            return Unfetched(Trouble.PASSING, f"it cannot be read: {error.strerror or error}")
        return None

    async def forget(self, key: EditKey, urls: Sequence[str]) -> None:
        """Remove pictures that are in place; failing is no harm, for the next run tries again."""
        files = [self._file(key, url) for url in urls if is_kept(url)]
        if files:
            await self._offload(partial(_remove, files))

    def _file(self, key: EditKey, url: str) -> Path:
        return self._folder / f"{key.hex()}-{url.removeprefix(SCHEME)}"


def left_behind(folder: Path) -> list[tuple[EditKey, AttemptId]]:
    """The pictures that are in a folder, by edit and attempt; what did not come whole is removed.

    DiskError where the folder cannot be read: a paid picture may be in it.
    """
    found = []
    with translated(folder):
        try:
            files = sorted(folder.iterdir())
        except FileNotFoundError:
            return []
        for file in files:
            if file.suffix == _PART:
                file.unlink(missing_ok=True)
            elif (names := _names(file.name)) is not None:
                found.append(names)
    return found


def _names(name: str) -> tuple[EditKey, AttemptId] | None:
    """The edit and the attempt by which a file is named; None for a file that is none of ours."""
    if (named := _is_name(name)) is None:
        return None
    return EditKey(bytes.fromhex(named["key"])), AttemptId(UUID(hex=named["attempt"]))


def _remove(files: list[Path]) -> None:
    for file in files:
        with suppress(OSError):
            file.unlink(missing_ok=True)
