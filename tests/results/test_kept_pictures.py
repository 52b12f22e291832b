from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest
from anyio.to_thread import run_sync

from qwenbatch.core.attempts import AttemptId
from qwenbatch.core.keys import EditKey
from qwenbatch.core.results import Trouble, Unfetched
from qwenbatch.errors import DiskError
from qwenbatch.results.kept_pictures import KeptPictures, is_kept, left_behind, url_of
from qwenbatch.results.stage import HELD_BYTES

pytestmark = pytest.mark.anyio

KEY = EditKey(b"k" * 32)
PIECES = [b"a" * 1000, b"b" * HELD_BYTES, b"c"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def pictures(tmp_path: Path) -> KeptPictures:
    return KeptPictures(tmp_path / "own" / "answers", offload=run_sync)


async def kept(pictures: KeptPictures, attempt: AttemptId) -> str:
    async with pictures.page(KEY, attempt) as page:
        for piece in PIECES:
            await page.write(piece)
        return await page.keep()


async def read(pictures: KeptPictures, url: str) -> bytes | Unfetched:
    came: list[bytes] = []

    async def sink(piece: bytes) -> None:
        came.append(piece)

    failure = await pictures.stream(KEY, url, sink)
    return b"".join(came) if failure is None else failure


async def test_picture_is_found_by_its_url_until_it_is_forgotten(
    pictures: KeptPictures, tmp_path: Path
) -> None:
    attempt = AttemptId(uuid4())
    url = await kept(pictures, attempt)
    assert is_kept(url)
    assert url == url_of(attempt)
    assert await read(pictures, url) == b"".join(PIECES)
    (file,) = (tmp_path / "own" / "answers").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert left_behind(tmp_path / "own" / "answers") == [(KEY, attempt)]

    await pictures.forget(KEY, ["https://h.test/a.png", url])
    gone = await read(pictures, url)
    assert isinstance(gone, Unfetched)
    assert gone.trouble is Trouble.GONE
    assert left_behind(tmp_path / "own" / "answers") == []
    await pictures.forget(KEY, [url])


async def test_picture_that_does_not_come_whole_leaves_nothing(
    pictures: KeptPictures, tmp_path: Path
) -> None:
    async with pictures.page(KEY, AttemptId(uuid4())) as page:
        await page.write(PIECES[1])
        assert [file.suffix for file in (tmp_path / "own" / "answers").iterdir()] == [".part"]
    assert list((tmp_path / "own" / "answers").iterdir()) == []
    async with pictures.page(KEY, AttemptId(uuid4())):
        pass
    assert left_behind(tmp_path / "own" / "answers") == []


@pytest.mark.parametrize("rest", ["//h.test/a", "../../ledger.db", "", "0" * 33, "/" + "0" * 31])
async def test_url_that_a_server_makes_up_is_none_of_a_kept_picture(rest: str) -> None:
    assert not is_kept(f"answer:{rest}")


async def test_left_behind_removes_parts_and_passes_over_strangers(
    pictures: KeptPictures, tmp_path: Path
) -> None:
    attempt = AttemptId(uuid4())
    await kept(pictures, attempt)
    folder = tmp_path / "own" / "answers"
    (folder / f"{KEY.hex()}-{attempt.hex}.part").write_bytes(b"half")
    strangers = ("notes.txt", f"abcd-{attempt.hex}", f"{KEY.hex()}-{{{attempt}}}")
    for name in strangers:
        (folder / name).write_text("mine")
    assert left_behind(tmp_path / "own" / "answers") == [(KEY, attempt)]
    assert {file.name for file in folder.iterdir()} == {*strangers, f"{KEY.hex()}-{attempt.hex}"}


async def test_picture_that_the_disk_does_not_take_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("a file, no folder")
    pictures = KeptPictures(tmp_path / "answers", offload=run_sync)
    with pytest.raises(DiskError, match="answers"):
        await kept(pictures, AttemptId(uuid4()))
    with pytest.raises(DiskError):
        left_behind(tmp_path / "answers")


async def test_picture_is_flushed_before_it_has_its_name(
    pictures: KeptPictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    flush = os.fsync

    def seen(descriptor: int) -> None:
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        flush(descriptor)

    async with pictures.page(KEY, AttemptId(uuid4())) as page:
        await page.write(b"x" * HELD_BYTES)
        monkeypatch.setattr(os, "fsync", seen)
        await page.keep()
    assert [step.endswith(".part") for step in steps] == [True, False]
    assert steps[-1] == "answers"
