from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from qwenbatch.imaging.verify import ResultVerifier
from qwenbatch.results.folders import OutFolders
from qwenbatch.results.shelf import Shelf

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.core.results import Staged


def png(shade: int = 0, size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


class Room:
    """One OUT with its shelf."""

    def __init__(self, out: Path) -> None:
        self.folders = OutFolders(out)
        self.folders.make()
        self.sizes: list[int] = []
        self.shelf = Shelf(self.folders, ResultVerifier, self.sizes.append)

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


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "out")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
