from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.pictures import Reencode
from qwenbatch.imaging.look import look
from qwenbatch.imaging.structure.exif import orientation
from tests.imaging.conftest import exif_of, four_corners

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("stated", range(10))
def test_orientation_is_read_where_each_format_keeps_it(
    make: Callable[..., bytes],
    pillow_format: str,
    stated: int,
) -> None:
    data = make(four_corners(), pillow_format, exif=exif_of(stated))
    picture = look(io.BytesIO(data), len(data))
    expected = stated if 1 <= stated <= 8 else 1
    assert picture.orientation == expected
    assert picture.reencode is (None if expected == 1 else Reencode.ORIENTATION)
    assert picture.upright == ((48, 64) if expected >= 5 else (64, 48))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "code"), [(1, "B3x"), (3, "H2x"), (4, "I")])
def test_orientation_is_read_in_both_byte_orders_and_three_widths(
    order: str,
    kind: int,
    code: str,
) -> None:
    magic = b"II*\0" if order == "<" else b"MM\0*"
    block = magic + struct.pack(f"{order}IHHHI{code}", 8, 1, 274, kind, 1, 6)
    assert orientation(block) == 6
    assert orientation(b"Exif\0\0" + block) == 6
    for cut in range(len(block) - 1):
        assert orientation(block[:cut]) in (1, 6)


@given(st.binary(max_size=200))
def test_orientation_of_any_bytes_is_one_that_exif_knows(block: bytes) -> None:
    assert orientation(block) in range(1, 9)
    assert orientation(b"Exif\0\0II*\0\x08\0\0\0" + block) in range(1, 9)
    assert orientation(b"MM\0*\0\0\0\x08" + block) in range(1, 9)
