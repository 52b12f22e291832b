from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwenbatch.core.pictures import MAX_PIXELS, Picture
from qwenbatch.errors import PictureError
from qwenbatch.imaging.look import look
from tests.imaging.conftest import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS_MOST = 2.0
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
OFTEN = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def looked_or_refused(data: bytes) -> None:
    began = time.perf_counter()
    try:
        picture = look(io.BytesIO(data), len(data))
    except PictureError:
        pass
    else:
        assert isinstance(picture, Picture)
        assert 0 < picture.width * picture.height <= MAX_PIXELS
    assert time.perf_counter() - began < SECONDS_MOST


def mutated(data: bytes, changes: list[tuple[float, bytes]], keep: float) -> bytes:
    changed = bytearray(data)
    for place, replacement in changes:
        start = int(place * len(changed))
        changed[start : start + len(replacement)] = replacement
    return bytes(changed[: int(keep * len(changed)) + 1])


# Squared, so that most changes fall where the structure is.
PLACES = st.floats(min_value=0, max_value=1, allow_nan=False).map(lambda value: value**3)
CHANGES = st.lists(st.tuples(PLACES, st.binary(min_size=1, max_size=8)), max_size=6)
KEEPS = st.one_of(st.just(1.0), st.floats(min_value=0, max_value=1, allow_nan=False))


@pytest.mark.parametrize("name", SAMPLES)
@OFTEN
@given(changes=CHANGES, keep=KEEPS)
def test_look_survives_mutations_of_small_pictures(
    name: str,
    changes: list[tuple[float, bytes]],
    keep: float,
) -> None:
    looked_or_refused(mutated(SAMPLES[name].data, changes, keep))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@OFTEN
@given(changes=CHANGES, keep=KEEPS)
def test_look_survives_mutations_of_photographs(
    name: str,
    photographs: Mapping[str, bytes],
    changes: list[tuple[float, bytes]],
    keep: float,
) -> None:
    looked_or_refused(mutated(photographs[name], changes, keep))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\0\x01\0\0WEBP",
        b"BM",
        b"II*\0",
        b"MM\0*",
        b"II+\0\x08\0\0\0",
        b"\0\0\0\x20ftyp",
    ],
)
@OFTEN
@given(rest=st.binary(max_size=400))
def test_look_survives_any_bytes_behind_a_magic_number(head: bytes, rest: bytes) -> None:
    looked_or_refused(head + rest)
