from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from hashlib import sha256
from types import SimpleNamespace
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.to_thread import run_sync

from qwenbatch.core.keys import EditKey
from qwenbatch.core.placements import Placement
from qwenbatch.errors import DiskError, PictureError
from qwenbatch.imaging.verify import ResultVerifier
from qwenbatch.results.room import USUAL_BYTES
from qwenbatch.results.room import Room as DiskRoom
from qwenbatch.results.stage import HELD_BYTES, USUAL_MODE, Stage
from tests.results.conftest import png

if TYPE_CHECKING:
    from pathlib import Path

    from tests.results.conftest import Room

pytestmark = pytest.mark.anyio
KEY = EditKey(bytes(range(32)))
ONE, TWO = png(10), png(200)


def placement(
    content: bytes,
    path: str = "a.png",
    *,
    suffix: str = "",
    replaced: str | None = None,
) -> Placement:
    digest = sha256(content).digest()
    return Placement(path=path, suffix=suffix, replaced=replaced, digest=digest)


async def test_stage_tells_what_was_written(disk_room: Room) -> None:
    async with disk_room.shelf.stage() as stage:
        for start in range(0, len(ONE), 7):
            await stage.write(ONE[start : start + 7])
        staged = await stage.finish()
        assert stat.S_IMODE(os.stat(staged.path).st_mode) & 0o022 == 0  # noqa: PTH116 - it has no Path
    assert (staged.digest, staged.size) == (sha256(ONE).digest(), len(ONE))
    assert (staged.extension, staged.width, staged.height) == ("png", 40, 30)
    assert disk_room.leftovers == []


@pytest.mark.parametrize("content", [b"", b"no picture", ONE[:-12], ONE[:-20] + ONE[-19:]])
async def test_stage_refuses_what_is_no_sound_picture(disk_room: Room, content: bytes) -> None:
    async with disk_room.shelf.stage() as stage:
        await stage.write(content)
        with pytest.raises(PictureError):
            await stage.finish()
    assert disk_room.leftovers == []


async def test_stage_leaves_no_file_when_it_is_cancelled(disk_room: Room) -> None:
    async def write_and_wait() -> None:
        async with disk_room.shelf.stage() as stage:
            await stage.write(ONE)
            began.set()
            await anyio.sleep_forever()

    began = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(write_and_wait)
        await began.wait()
        group.cancel_scope.cancel()
    assert disk_room.leftovers == []


async def test_put_makes_folders_and_leaves_nothing_behind(room: Room) -> None:
    async with room.shelf.stage() as stage:
        await stage.write(ONE)
        staged = await stage.finish()
        stamp = await room.shelf.put(staged, "deep/er/a.png", displaced=None, overwrite=False)
    assert room.read("deep/er/a.png") == ONE
    known = await room.shelf.adopt(placement(ONE, "deep/er/a.png"))
    assert stamp is not None
    assert known is not None
    assert (stamp.size, stamp.inode) == (known.size, known.inode)
    assert abs(stamp.mtime - known.mtime) < 60 * 10**9
    assert room.leftovers == []
    assert room.sizes == [len(ONE)]


async def test_put_leaves_what_came_meanwhile(room: Room) -> None:
    room.lay("a.png", b"someone's")
    assert not (await room.put(ONE, "a.png"))[1]
    assert room.read("a.png") == b"someone's"
    assert room.leftovers == []


@pytest.mark.parametrize("links", [True, False])
async def test_put_never_overwrites_what_came_meanwhile(
    disk_room: Room,
    monkeypatch: pytest.MonkeyPatch,
    *,
    links: bool,
) -> None:
    if not links:

        def no_links(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)
    disk_room.folders.file("a.png").write_bytes(b"someone's")
    _, placed = await disk_room.put(ONE, "a.png")
    assert not placed
    assert disk_room.read("a.png") == b"someone's"
    assert disk_room.leftovers == []
    _, placed = await disk_room.put(ONE, "b.png")
    assert placed
    assert disk_room.read("b.png") == ONE


async def test_put_overwrites_where_it_may(room: Room) -> None:
    room.lay("a.png", b"someone's")
    _, placed = await room.put(ONE, "a.png", overwrite=True)
    assert placed
    assert room.read("a.png") == ONE


async def test_put_follows_no_link_at_the_path(disk_room: Room, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.png"
    elsewhere.write_bytes(b"someone's")
    disk_room.folders.file("a.png").symlink_to(elsewhere)
    assert not (await disk_room.put(ONE, "a.png"))[1]
    assert elsewhere.read_bytes() == b"someone's"


async def test_put_keeps_another_edits_result_in_replaced(room: Room) -> None:
    await room.put(ONE, "a.png")
    refuge = room.shelf.replaced_path(KEY, sha256(ONE).digest(), "")
    assert refuge.startswith(".qwenbatch/replaced/")
    _, placed = await room.put(TWO, "a.png", displaced=("a.png", refuge))
    assert placed
    assert room.read("a.png") == TWO
    assert room.read(refuge) == ONE


async def test_put_goes_on_where_a_death_had_moved_it_already(room: Room) -> None:
    refuge = room.shelf.replaced_path(KEY, sha256(ONE).digest(), "")
    await room.put(ONE, refuge)
    _, placed = await room.put(TWO, "a.png", displaced=("a.png", refuge))
    assert placed
    assert (room.read("a.png"), room.read(refuge)) == (TWO, ONE)


async def test_put_moves_nothing_away_that_is_not_what_was_kept(room: Room) -> None:
    await room.put(ONE, "a.png")
    refuge = room.shelf.replaced_path(KEY, sha256(ONE).digest(), "")
    await room.shelf.keep("a.png", refuge)
    room.drop("a.png")
    room.lay("a.png", b"someone's")
    _, placed = await room.put(TWO, "a.png", displaced=("a.png", refuge))
    assert not placed
    assert (room.read("a.png"), room.read(refuge)) == (b"someone's", ONE)


async def test_put_where_a_file_stands_for_a_folder_is_a_disk_error(disk_room: Room) -> None:
    disk_room.folders.file("sub").write_bytes(b"")
    with pytest.raises(DiskError, match="sub"):
        await disk_room.put(ONE, "sub/a.png")
    assert disk_room.leftovers == []


async def test_replaced_path_is_one_for_one_result(room: Room) -> None:
    path, digest = room.shelf.replaced_path, sha256(ONE).digest()
    assert path(KEY, digest, ".jpg").endswith(".png.jpg")
    assert path(KEY, digest, "") == path(KEY, digest, "")
    assert path(KEY, digest, "") != path(EditKey(bytes(32)), digest, "")


async def test_adopt_takes_only_the_recorded_content(room: Room) -> None:
    await room.put(ONE, "a.png")
    assert await room.shelf.adopt(placement(ONE)) is not None
    assert await room.shelf.adopt(placement(TWO)) is None
    assert await room.shelf.adopt(placement(ONE, "gone.png")) is None
    assert await room.shelf.adopt(Placement(path="a.png")) is None


async def test_adopt_takes_no_link_whatever_it_leads_to(disk_room: Room, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.png"
    elsewhere.write_bytes(ONE)
    disk_room.folders.file("a.png").symlink_to(elsewhere)
    assert await disk_room.shelf.adopt(placement(ONE)) is None


async def test_copy_is_verified_against_the_recorded_digest(room: Room) -> None:
    await room.put(ONE, "a.png")
    async with room.shelf.stage() as stage:
        copy = await room.shelf.copy_into(stage, placement(ONE))
        assert copy is not None
        assert await room.shelf.put(copy, "b.png", displaced=None, overwrite=False)
    assert room.read("a.png") == room.read("b.png") == ONE
    async with room.shelf.stage() as stage:
        assert await room.shelf.copy_into(stage, placement(TWO)) is None
    async with room.shelf.stage() as stage:
        assert await room.shelf.copy_into(stage, placement(ONE, "gone.png")) is None
    room.lay("c.png", b"no picture")
    async with room.shelf.stage() as stage:
        assert await room.shelf.copy_into(stage, placement(b"no picture", "c.png")) is None
    assert room.leftovers == []


async def test_copy_is_taken_from_where_the_file_is(room: Room) -> None:
    refuge = room.shelf.replaced_path(KEY, sha256(ONE).digest(), "")
    await room.put(ONE, refuge)
    await room.put(TWO, "a.png.jpg")
    async with room.shelf.stage() as stage:
        assert await room.shelf.copy_into(stage, placement(ONE, replaced=refuge)) is not None
    async with room.shelf.stage() as stage:
        assert await room.shelf.copy_into(stage, placement(TWO, suffix=".jpg")) is not None


async def test_forget_removes_and_minds_nothing(room: Room) -> None:
    await room.put(ONE, ".qwenbatch/replaced/x.png")
    await room.shelf.forget(".qwenbatch/replaced/x.png")
    await room.shelf.forget(".qwenbatch/replaced/x.png")
    assert not room.exists(".qwenbatch/replaced/x.png")


async def test_clean_removes_what_a_death_left_behind(room: Room) -> None:
    (room.folders.scratch / "1.part").write_bytes(b"half")
    (room.folders.scratch / "2.part").write_bytes(b"")
    room.shelf.clean()
    assert room.leftovers == []


async def test_clean_without_its_folder_is_a_disk_error(disk_room: Room) -> None:
    disk_room.folders.scratch.rmdir()
    with pytest.raises(DiskError):
        disk_room.shelf.clean()
    with pytest.raises(DiskError):
        async with disk_room.shelf.stage() as stage:
            await stage.finish()


async def test_stage_is_for_us_alone_to_read_until_it_is_finished(disk_room: Room) -> None:
    before = os.umask(0)
    try:
        async with Stage(disk_room.folders.scratch, ResultVerifier(), offload=run_sync) as stage:
            await stage.write(ONE + bytes(HELD_BYTES))
            assert stat.S_IMODE(stage.path.stat().st_mode) == 0o600
            assert stage.path.stat().st_size == len(ONE) + HELD_BYTES
            await stage.finish()
            assert stat.S_IMODE(stage.path.stat().st_mode) == USUAL_MODE
    finally:
        os.umask(before)
    assert disk_room.leftovers == []


async def test_stage_that_cannot_be_removed_hides_no_error_of_the_disk(disk_room: Room) -> None:
    async def write_in_vain() -> None:
        async with Stage(disk_room.folders.scratch, ResultVerifier(), offload=run_sync) as stage:
            stage.path.mkdir()
            await stage.write(bytes(HELD_BYTES))

    with pytest.raises(DiskError):
        await write_in_vain()


async def test_stage_writes_pieces_of_any_size_in_their_order(disk_room: Room) -> None:
    tail = os.urandom(3 * HELD_BYTES)
    whole = ONE + tail
    async with Stage(disk_room.folders.scratch, ResultVerifier(), offload=run_sync) as stage:
        sizes = [1] * 600 + [HELD_BYTES + 1, 100_000, len(whole)]
        begin = 0
        for size in sizes:
            await stage.write(whole[begin : begin + size])
            begin += size
        done = await stage.finish()
        assert stage.path.read_bytes() == whole
    assert (done.digest, done.size) == (sha256(whole).digest(), len(whole))


LIMITED = """
import resource, signal, sys, anyio, anyio.to_thread
from pathlib import Path
from qwenbatch.errors import DiskError
from qwenbatch.results.folders import OutFolders
from qwenbatch.results.stage import Stage

class NoVerifier:
    def feed(self, chunk): pass
    def finish(self, path): raise AssertionError

async def main():
    folders = OutFolders(Path(sys.argv[1]))
    folders.make()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        async with Stage(folders.scratch, NoVerifier(), offload=anyio.to_thread.run_sync) as stage:
            # A part of it still fits: that must not pass for the whole.
            await stage.write(b"x" * 1500)
            await stage.finish()
    except DiskError as error:
        print("DiskError", error.what, list(folders.scratch.iterdir()))

anyio.run(main)
"""


def test_stage_on_a_full_disk_is_a_disk_error_and_never_a_part(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("DiskError"), done.stdout + done.stderr
    assert "cannot be written" in done.stdout
    assert done.stdout.rstrip().endswith("[]")


def test_room_is_kept_for_the_largest_result_seen(tmp_path: Path) -> None:
    room = DiskRoom(tmp_path)
    assert room.holds(1)
    assert not room.holds(10**18 // USUAL_BYTES)
    room.saw(10**17)
    room.saw(1)
    assert not room.holds(100)
    assert room.holds(0)
    with pytest.raises(DiskError):
        DiskRoom(tmp_path / "gone").holds(1)


def test_room_is_what_is_free_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(total=10**15, used=10**15, free=16 * 1024 * 1024)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert DiskRoom(tmp_path).holds(2)
    assert not DiskRoom(tmp_path).holds(3)
