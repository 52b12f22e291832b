"""A source that is rewritten while it is on its way is told before the last chunk goes out."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.items import FileSource
from qwenbatch.core.sources import SourceFacts
from qwenbatch.errors import DiskError
from qwenbatch.imaging.sources import examine_source
from qwenbatch.imaging.transit import Carrier
from tests.imaging.conftest import SAMPLES, encoded, exif_of, four_corners

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["as it is", "re-encoded"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, SourceFacts]:
    lies = request.param == "re-encoded"
    path = tmp_path / "a.jpg"
    upright = SAMPLES["jpeg-rgb"].data
    path.write_bytes(encoded(four_corners(), "JPEG", exif=exif_of(6)) if lies else upright)
    facts = examine_source(FileSource(str(path)))
    assert isinstance(facts, SourceFacts)
    assert facts.picture is not None
    assert (facts.picture.reencode is not None) is lies
    return path, facts


def rewrite(path: Path) -> None:
    """Another content of the same length, under the same name, at the same time by its mtime."""
    before = path.stat()
    path.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


async def test_source_rewritten_on_its_way_is_not_what_was_keyed(
    source: tuple[Path, SourceFacts],
) -> None:
    path, facts = source
    carrier = Carrier(scratch=path.parent, cores=1)
    async with carrier.ready(FileSource(str(path)), facts) as uri:
        assert uri is not None
        sent = [chunk async for chunk in uri.chunks()]
        assert await uri.unchanged()
        rewrite(path)
        assert not await uri.unchanged()
    assert len(b"".join(sent)) == uri.length


async def test_source_replaced_by_another_file_is_still_the_one_that_is_sent(
    source: tuple[Path, SourceFacts],
) -> None:
    """What is open keeps its content, but it has one name less: so it is sent anew, if at all."""
    path, facts = source
    carrier = Carrier(scratch=path.parent, cores=1)
    async with carrier.ready(FileSource(str(path)), facts) as uri:
        assert uri is not None
        other = path.with_name("other")
        other.write_bytes(b"another picture")
        other.rename(path)
        assert not await uri.unchanged()


async def test_source_rewritten_before_it_is_opened_is_not_even_begun(
    source: tuple[Path, SourceFacts],
) -> None:
    path, facts = source
    rewrite(path)
    carrier = Carrier(scratch=path.parent, cores=1)
    async with carrier.ready(FileSource(str(path)), facts) as uri:
        assert uri is None


@pytest.mark.parametrize("source", ["re-encoded"], indirect=True)
async def test_source_that_cannot_be_re_encoded_for_the_disk_is_the_disks_failure(
    source: tuple[Path, SourceFacts],
) -> None:
    path, facts = source
    gone = Carrier(scratch=path.with_name("gone"), cores=1)
    with pytest.raises(DiskError, match="re-encoded"):
        async with gone.ready(FileSource(str(path)), facts):
            pass


@pytest.mark.parametrize("source", ["re-encoded"], indirect=True)
async def test_source_that_is_too_long_for_the_disk_once_re_encoded_is_the_disks_failure(
    source: tuple[Path, SourceFacts],
) -> None:
    path, facts = source
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(DiskError, match="re-encoded"):
            async with Carrier(scratch=path.parent, cores=1).ready(FileSource(str(path)), facts):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
