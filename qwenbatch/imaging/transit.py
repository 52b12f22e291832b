"""A source on its way to the gateway: its bytes or its data URI, made from the file in chunks."""

from __future__ import annotations

import os
import tempfile
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import anyio
import pybase64

from qwenbatch.core.items import InlineSource
from qwenbatch.core.limits import MODEL_LIMITS, PictureForm
from qwenbatch.errors import DiskError, PictureError
from qwenbatch.imaging.quick_read import read_into
from qwenbatch.imaging.sources import LocalSource, file_of, open_file, opened, stamp_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from qwenbatch.core.limits import Limits
    from qwenbatch.core.pictures import Format, Picture
    from qwenbatch.core.sources import SourceFacts, SourceStamp

CHUNK = 3 * 64 * 1024
"""Bytes of a picture that are in memory at once; a multiple of 3, so that base64 can be joined."""


class _Buffers:
    """Buffers of CHUNK bytes to read into: no more of them than are read into at one moment."""

    def __init__(self) -> None:
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """A buffer for one read alone."""
        return self._free.pop() if self._free else memoryview(bytearray(CHUNK))

    def give_back(self, buffer: memoryview) -> None:
        """Nobody reads or writes the buffer any more; one of which that is not known is kept."""
        self._free.append(buffer)


class Cargo:
    """A picture's bytes, or the text of its data URI, that never are in memory whole.

    `data` holds the bytes from `offset` on, `size` of them; `verbatim` says that they go as they
    are: as bytes, or because they are base64 already. `watched` is the source's file, as it was
    when it was keyed. `buffers` are shared by all that is sent.
    """

    def __init__(
        self,
        *,
        form: PictureForm,
        format_: Format,
        data: BinaryIO,
        offset: int,
        size: int,
        verbatim: bool,
        watched: int,
        stamp: SourceStamp,
        buffers: _Buffers,
    ) -> None:
        self.media_type = format_.value
        as_uri = form is PictureForm.DATA_URI
        self._head = f"data:{format_.value};base64,".encode() if as_uri else b""
        self._data = data
        self._offset = offset
        self._size = size
        self._verbatim = verbatim or not as_uri
        self._watched = watched
        self._stamp = stamp
        self._buffers = buffers

    @property
    def length(self) -> int:
        """Its length in bytes, known before it is made."""
        body = self._size if self._verbatim else 4 * ((self._size + 2) // 3)
        return len(self._head) + body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The text, a chunk at a time; shorter than `length` if the file lost its end meanwhile."""
        head = self._head
        descriptor = self._data.fileno()
        done = 0
        while done < self._size:
            buffer = self._buffers.take()
            wanted = buffer[: self._size - done]
            count = await read_into(descriptor, wanted, self._offset + done)
            chunk = wanted[:count]
            text = head + (bytes(chunk) if self._verbatim else pybase64.b64encode(chunk))
            # Not where the read was broken off: a thread may still write into it then.
            self._buffers.give_back(buffer)
            yield text
            if count < len(wanted):
                return
            done += count
            head = b""

    async def unchanged(self) -> bool:
        """Whether the source's file is still what was keyed."""
        return stamp_of(os.fstat(self._watched)) == self._stamp


class Carrier:
    """Makes sources ready to be sent as `limits` say; re-encodes where it must, one a core at most.

    `scratch` is the folder for what is re-encoded: unnamed files, gone with the process.
    """

    def __init__(self, *, scratch: Path, cores: int, limits: Limits = MODEL_LIMITS) -> None:
        self._scratch = scratch
        self._limits = limits
        self._encoders = anyio.CapacityLimiter(cores)
        self._buffers = _Buffers()

    @asynccontextmanager
    async def ready(self, source: LocalSource, facts: SourceFacts) -> AsyncIterator[Cargo | None]:
        """A keyed source's picture; None if its file is no longer what was keyed.

        Raises PictureError if it must be re-encoded and turns out to be damaged or unreadable,
        DiskError if there is no room for what comes of it.
        """
        picture = facts.picture
        if picture is None:
            yield None
            return
        try:
            watched = open_file(file_of(source))
        except PictureError:
            yield None
            return
        with watched:
            if stamp_of(os.fstat(watched.fileno())) != facts.stamp:
                yield None
            elif not self._goes_as_it_lies(source, picture):
                async with self._made(source, facts, watched.fileno()) as cargo:
                    yield cargo
            else:
                inline = isinstance(source, InlineSource)
                yield Cargo(
                    form=self._limits.form,
                    format_=picture.format,
                    data=watched,
                    offset=source.offset if isinstance(source, InlineSource) else 0,
                    size=source.length if isinstance(source, InlineSource) else picture.size,
                    verbatim=inline,
                    watched=watched.fileno(),
                    stamp=facts.stamp,
                    buffers=self._buffers,
                )

    def _goes_as_it_lies(self, source: LocalSource, picture: Picture) -> bool:
        """Whether the very bytes in the source's file go out."""
        base64 = isinstance(source, InlineSource)
        fits = not base64 or self._limits.form is PictureForm.DATA_URI
        return fits and self._limits.takes_as_it_is(picture)

    @asynccontextmanager
    async def _made(
        self,
        source: LocalSource,
        facts: SourceFacts,
        watched: int,
    ) -> AsyncIterator[Cargo]:
        as_it_is = facts.picture is not None and self._limits.takes_as_it_is(facts.picture)
        with _scratch_file(self._scratch) as file:
            format_ = await anyio.to_thread.run_sync(
                _copy_into if as_it_is else _encode_into,
                source,
                facts,
                file,
                limiter=self._encoders,
            )
            yield Cargo(
                form=self._limits.form,
                format_=format_,
                data=file,
                offset=0,
                size=os.fstat(file.fileno()).st_size,
                verbatim=False,
                watched=watched,
                stamp=facts.stamp,
                buffers=self._buffers,
            )


@contextmanager
def _scratch_file(scratch: Path) -> Iterator[BinaryIO]:
    """An unnamed file, gone once it is closed."""
    try:
        file = tempfile.TemporaryFile(dir=scratch, buffering=0)  # noqa: SIM115 - it is closed below
    except OSError as error:
        raise _no_room(error) from error
    with file:
        yield file


def _no_room(error: OSError) -> DiskError:
    return DiskError(
        f"a picture that must be re-encoded cannot be written: {error.strerror or error}",
        "free room or mend the disk, then start the same command again: it resumes",
    )


def _encode_into(source: LocalSource, facts: SourceFacts, to: BinaryIO) -> Format:
    from qwenbatch.imaging.encode import encode  # noqa: PLC0415 - Pillow loads only where needed

    if facts.picture is None:
        raise PictureError("it holds no picture")
    try:
        with opened(source) as (file, _):
            format_, data = encode(file, facts.picture)
    except OSError as error:
        raise PictureError(f"it cannot be read: {error.strerror or error}") from error
    _write(data, to)
    return format_


def _copy_into(source: LocalSource, facts: SourceFacts, to: BinaryIO) -> Format:
    """The bytes of a picture that lies as base64 in a manifest."""
    if facts.picture is None:
        raise PictureError("it holds no picture")
    try:
        with opened(source) as (file, _):
            data = file.read()
    except OSError as error:
        raise PictureError(f"it cannot be read: {error.strerror or error}") from error
    _write(data, to)
    return facts.picture.format


def _write(data: bytes, to: BinaryIO) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[to.write(view) :]
    except OSError as error:
        raise _no_room(error) from error
