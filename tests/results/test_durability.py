"""What must be on the disk before the next step: seen by what the kernel is asked for, in order."""

from __future__ import annotations

import errno
import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qwenbatch.core.keys import EditKey
from qwenbatch.results.folders import OutFolders, make_folder
from tests.results.conftest import Room, png

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio
KEY = EditKey(bytes(32))
ONE, TWO = png(10), png(200)


class Kernel:
    """Notes each flush, link, rename, removal and new folder, by the path below `top`; does it."""

    def __init__(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.top = top
        self.asked: list[tuple[str, str]] = []
        self._patch = monkeypatch
        for name in ("fsync", "fdatasync"):
            self._note(
                name, lambda where: str(Path(f"/proc/self/fd/{where}").readlink()), told="flush"
            )
        for name in ("link", "rename", "replace"):
            self._note(name, lambda _, to: os.fspath(to), told="name")
        for name in ("mkdir", "unlink"):
            self._note(name, lambda path, *_: os.fspath(path), told=name)

    def _note(self, name: str, path_of: Callable[..., str], *, told: str) -> None:
        original: Callable[..., Any] = getattr(os, name)

        def noted(*arguments: Any, **named: Any) -> Any:
            path = path_of(*arguments)
            outcome = original(*arguments, **named)
            self.asked.append((told, os.path.relpath(path, self.top)))
            return outcome

        self._patch.setattr(os, name, noted)

    def order(self, *steps: tuple[str, str]) -> None:
        """These steps were asked for, each after the one before it."""
        rest = iter(self.asked)
        for step in steps:
            assert step in rest, (step, self.asked)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path, monkeypatch)


@pytest.mark.parametrize("overwrite", [True, False])
async def test_put_flushes_the_file_before_its_name_and_then_its_folder(
    tmp_path: Path, kernel: Kernel, *, overwrite: bool
) -> None:
    room = Room(tmp_path / "out")
    staged, _ = await room.put(ONE, "a.png", overwrite=overwrite)
    part = str(Path(staged.path).relative_to(tmp_path))
    kernel.order(("flush", part), ("name", "out/a.png"), ("flush", "out"))


async def test_put_flushes_the_parent_of_each_new_folder(tmp_path: Path, kernel: Kernel) -> None:
    room = Room(tmp_path / "out")
    await room.put(ONE, "deep/er/a.png")
    kernel.order(
        ("mkdir", "out/deep"),
        ("flush", "out"),
        ("mkdir", "out/deep/er"),
        ("flush", "out/deep"),
        ("name", "out/deep/er/a.png"),
        ("flush", "out/deep/er"),
    )


@pytest.mark.parametrize("links", [True, False])
async def test_keep_is_durable_in_replaced_before_anything_leaves_its_place(
    tmp_path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    room = Room(tmp_path / "out")
    await room.put(ONE, "a.png")
    refuge = room.shelf.replaced_path(KEY, sha256(ONE).digest(), "")
    if not links:

        def no_links(*_: object) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)
    kernel.asked.clear()
    await room.shelf.keep("a.png", refuge)
    await room.put(TWO, "a.png", displaced=("a.png", refuge))
    copied = () if links else (("flush", f"out/{refuge}.new"),)
    kernel.order(
        *copied,
        ("name", f"out/{refuge}"),
        ("flush", f"out/{Path(refuge).parent}"),
        ("unlink", "out/a.png"),
        ("name", "out/a.png"),
        ("flush", "out"),
    )
    assert (room.read("a.png"), room.read(refuge)) == (TWO, ONE)


async def test_our_folders_are_durable_and_for_their_owner_alone(
    tmp_path: Path, kernel: Kernel
) -> None:
    OutFolders(tmp_path / "new" / "out").make()
    steps = [("mkdir", "new"), ("flush", "."), ("mkdir", "new/out"), ("flush", "new")]
    kernel.order(*steps, ("mkdir", "new/out/.qwenbatch"), ("flush", "new/out"))
    kernel.order(("mkdir", "new/out/.qwenbatch/tmp"), ("flush", "new/out/.qwenbatch"))
    kernel.asked.clear()
    OutFolders(tmp_path / "new" / "out").make()
    assert kernel.asked == []


async def test_a_folder_gets_its_mode_and_nothing_is_made_above_its_top(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        make_folder(tmp_path / "a" / "b", mode=0o700)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b")]
    assert modes == [0o755, 0o700]
    with pytest.raises(FileNotFoundError):
        make_folder(tmp_path / "gone" / "sub", top=tmp_path / "gone")
