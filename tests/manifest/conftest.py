from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.items import BadRow, Row, RowDefaults
from qwenbatch.manifest.read import open_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[..., list[Row | BadRow]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a manifest and reads it: name, contents, and the instruction for all, if any."""

    def written(
        name: str,
        contents: str | bytes,
        instruction: str | None = None,
        limit: int | None = None,
    ) -> list[Row | BadRow]:
        path = tmp_path / name
        path.write_bytes(contents.encode() if isinstance(contents, str) else contents)
        defaults = RowDefaults(instruction=instruction)
        return list(open_manifest(path, defaults=defaults, limit=limit))

    return written
