"""Pictures of a wanted size in bytes: sources that all differ, and a result."""

from __future__ import annotations

import os
from io import BytesIO
from itertools import count
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

_MEASURED_SIDE = 512
_SEGMENT = b"\xff\xfe"
"""JPEG's mark of a comment; its length, itself included, and its text follow."""


def make_sources(folder: Path, *, number: int, size: int) -> None:
    """So many JPEGs of about `size` bytes: one picture of noise, each with a comment of its own."""
    folder.mkdir(parents=True)
    picture = _jpeg(size)
    for index in range(number):
        comment = f"{index:06}".encode()
        segment = _SEGMENT + (2 + len(comment)).to_bytes(2) + comment
        (folder / f"{index:06}.jpg").write_bytes(picture[:2] + segment + picture[2:])


def make_result(path: Path, *, size: int) -> None:
    """A PNG of noise of about `size` bytes."""
    side = round((size / 3) ** 0.5)
    _noise(side).save(path, "PNG", compress_level=1)


def _jpeg(size: int) -> bytes:
    """A JPEG of noise; its sides are found from what a smaller one takes."""
    side = _MEASURED_SIDE
    for _ in count():
        file = BytesIO()
        _noise(side).save(file, "JPEG", quality=90)
        taken = len(file.getvalue())
        if side != _MEASURED_SIDE or abs(taken - size) < size / 100:
            return file.getvalue()
        side = round(side * (size / taken) ** 0.5)
    raise AssertionError  # `count` never ends


def _noise(side: int) -> Image.Image:
    return Image.frombytes("RGB", (side, side), os.urandom(3 * side * side))
