from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING

import anyio.to_thread
import pytest
from PIL import Image

from qwenbatch.imaging.verify import ResultVerifier
from qwenbatch.results.folders import OutFolders
from qwenbatch.results.shelf import Shelf
from qwenbatch.stores.opening import Stores
from qwenbatch.stores.shelf import StoreShelf

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.core.results import Staged
    from qwenbatch.core.store_url import StoreUrl
    from tests.stores.s3 import S3


def png(shade: int = 0, size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


class Room:
    """One OUT with its shelf: every shelf passes the same tests."""

    shelf: Shelf | StoreShelf

    def __init__(self, out: Path) -> None:
        self.folders = OutFolders(out)
        self.folders.make()
        self.sizes: list[int] = []
        self.shelf = Shelf(
            self.folders, ResultVerifier, self.sizes.append, offload=anyio.to_thread.run_sync
        )

    def lay(self, relative: str, content: bytes) -> None:
        """Someone else puts a file there."""
        self.folders.file(relative).write_bytes(content)

    def drop(self, relative: str) -> None:
        """Someone else removes it."""
        self.folders.file(relative).unlink()

    def exists(self, relative: str) -> bool:
        return self.folders.file(relative).exists()

    @property
    def leftovers(self) -> list[Path]:
        return list(self.folders.scratch.iterdir())

    def read(self, relative: str) -> bytes:
        return self.folders.file(relative).read_bytes()

    async def put(
        self,
        content: bytes,
        relative: str,
        *,
        displaced: tuple[str, str] | None = None,
        overwrite: bool = False,
    ) -> tuple[Staged, bool]:
        """Stage, verify and place; whether it is in place."""
        async with self.shelf.stage() as stage:
            await stage.write(content)
            staged = await stage.finish()
            stamp = await self.shelf.put(
                staged,
                relative,
                displaced=displaced,
                overwrite=overwrite,
            )
        return staged, stamp is not None


class StoreRoom(Room):
    """One OUT in a store."""

    def __init__(self, desk: Path, s3: S3, out: StoreUrl, *, patience: float = 1.0) -> None:
        super().__init__(desk)
        self._s3 = s3
        self._out = out
        bucket = Stores(os.environ, patience=patience).bucket(out)
        self.shelf = StoreShelf(bucket, out, self.shelf, self.sizes.append)

    def lay(self, relative: str, content: bytes) -> None:
        self._s3.put(self._out / relative, content)

    def drop(self, relative: str) -> None:
        self._s3.drop(self._out / relative)

    def exists(self, relative: str) -> bool:
        return self._s3.get(self._out / relative) is not None

    def read(self, relative: str) -> bytes:
        content = self._s3.get(self._out / relative)
        assert content is not None
        return content


@pytest.fixture
def disk_room(tmp_path: Path) -> Room:
    return Room(tmp_path / "out")


@pytest.fixture
def store_room(tmp_path: Path, s3: S3, store: StoreUrl) -> StoreRoom:
    return StoreRoom(tmp_path / "desk", s3, store / "my out")


@pytest.fixture(params=["disk", "store"])
def room(request: pytest.FixtureRequest) -> Room:
    room: Room = request.getfixturevalue(f"{request.param}_room")
    return room


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
