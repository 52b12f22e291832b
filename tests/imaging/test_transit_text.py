from __future__ import annotations

import os
from base64 import b64decode
from hashlib import sha256
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from qwenbatch.core.items import FileSource
from qwenbatch.core.sources import SourceFacts
from qwenbatch.imaging.quick_read import read_into
from qwenbatch.imaging.sources import examine_source
from qwenbatch.imaging.transit import CHUNK, Carrier

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

HEAD = b"data:image/jpeg;base64,"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def large(tmp_path: Path, photographs: dict[str, bytes]) -> Path:
    """A JPEG of several chunks, on the disk; what lies behind its end mark is sent with it."""
    picture = next(data for data in photographs.values() if data.startswith(b"\xff\xd8"))
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.write(picture + os.urandom(3 * CHUNK + 1000))
        os.fsync(file.fileno())
    return path


def forget(path: Path) -> None:
    """Let the system drop what it holds of a file in memory."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


async def test_data_uris_made_at_once_do_not_mix(
    tmp_path: Path,
    photographs: dict[str, bytes],
) -> None:
    picture = next(data for data in photographs.values() if data.startswith(b"\xff\xd8"))
    files = [tmp_path / f"{number}.jpg" for number in range(8)]
    for file in files:
        with file.open("wb") as opened:
            opened.write(picture + os.urandom(4 * CHUNK + 500))
            os.fsync(opened.fileno())
    carrier = Carrier(scratch=tmp_path, cores=1)
    texts: dict[Path, bytes] = {}

    async def send(file: Path) -> None:
        facts = examine_source(FileSource(str(file)))
        assert isinstance(facts, SourceFacts)
        forget(file)
        async with carrier.ready(FileSource(str(file)), facts) as uri:
            assert uri is not None
            chunks = []
            async for chunk in uri.chunks():
                chunks.append(chunk)
                await anyio.lowlevel.checkpoint()
        texts[file] = b"".join(chunks)

    async with anyio.create_task_group() as group:
        for file in files:
            group.start_soon(send, file)
    for file in files:
        assert b64decode(texts[file].removeprefix(HEAD)) == file.read_bytes()


@pytest.mark.parametrize("in_memory", [True, False])
async def test_data_uri_is_the_whole_file_wherever_its_bytes_are(
    large: Path,
    *,
    in_memory: bool,
) -> None:
    facts = examine_source(FileSource(str(large)))
    assert isinstance(facts, SourceFacts)
    if not in_memory:
        forget(large)
    async with Carrier(scratch=large.parent, cores=1).ready(FileSource(str(large)), facts) as uri:
        assert uri is not None
        chunks = [chunk async for chunk in uri.chunks()]
        assert await uri.unchanged()
    text = b"".join(chunks)
    assert len(text) == uri.length
    assert sha256(b64decode(text.removeprefix(HEAD), validate=True)).digest() == facts.digest
    assert max(map(len, chunks)) <= len(HEAD) + CHUNK * 4 // 3


async def test_data_uri_of_a_file_that_lost_its_end_is_shorter_than_promised(large: Path) -> None:
    facts = examine_source(FileSource(str(large)))
    assert isinstance(facts, SourceFacts)
    async with Carrier(scratch=large.parent, cores=1).ready(FileSource(str(large)), facts) as uri:
        assert uri is not None
        os.truncate(large, CHUNK + 10)
        text = b"".join([chunk async for chunk in uri.chunks()])
        assert not await uri.unchanged()
    assert len(text) < uri.length


async def test_reading_ends_where_the_file_does(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    buffer = bytearray(8)
    with path.open("rb") as file:
        assert await read_into(file.fileno(), memoryview(buffer), 4) == 6
        assert bytes(buffer[:6]) == b"456789"
        assert await read_into(file.fileno(), memoryview(buffer), 10) == 0


async def test_reading_from_what_knows_no_such_question_is_done_in_a_thread() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match="seek"):
            await read_into(reading, memoryview(bytearray(4)), 0)
    finally:
        os.close(reading)
        os.close(writing)
