from __future__ import annotations

import io
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwenbatch.errors import PictureError
from qwenbatch.imaging.look import look
from qwenbatch.imaging.structure.window import SPAN
from tests.imaging.conftest import SAMPLES

MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
SOI, EOI, SOS, TEM = 0xD8, 0xD9, 0xDA, 0x01
LARGE = 3 * SPAN
PICTURES = {
    name: SAMPLES[name].data
    for name in ("jpeg-rgb", "jpeg-grey", "jpeg-cmyk", "jpeg-progressive", "jpeg-restarts")
}
OFTEN = settings(max_examples=150, deadline=None)


def ends_by_full_scan(data: bytes) -> bool:
    """Whether the walk over every marker of a JPEG comes to its end mark."""
    at = 2
    while found := MARKER.search(data, at):
        at, marker = found.end(), found[0][1]
        if marker == EOI:
            return True
        if marker == SOI:
            return False
        if marker != TEM:
            at += int.from_bytes(data[at : at + 2])
    return False


def ends_by_look(data: bytes) -> bool:
    try:
        look(io.BytesIO(data), len(data))
    except PictureError:
        return False
    return True


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    return data[:2] + bytes((0xFF, marker)) + struct.pack(">H", 2 + len(body)) + body + data[2:]


@st.composite
def behind(draw: st.DrawFn) -> bytes:
    """What follows a picture in its file: padding, a trailer, other pictures, or nothing."""
    parts = st.sampled_from(
        (b"", b"\0", b"\0" * 5000, b"\xff", b"\xff\xff", b"\xff\0", b"\xff\xd9", b"SEFT\x08\0\0\0"),
    )
    pictures = st.sampled_from(sorted(PICTURES)).map(PICTURES.__getitem__)
    return b"".join(draw(st.lists(st.one_of(parts, pictures, st.binary(max_size=9)), max_size=3)))


@st.composite
def segments(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Segments before a picture's own: comments and notes, thumbnails with marks of their own."""
    bodies = st.one_of(st.binary(max_size=40), st.just(PICTURES["jpeg-grey"]))
    return draw(st.lists(st.tuples(st.sampled_from((0xFE, 0xE1, 0xE2, 0xED)), bodies), max_size=3))


@pytest.mark.parametrize("name", PICTURES)
@OFTEN
@given(segments=segments(), trailer=behind())
def test_look_finds_whole_what_a_full_scan_finds_whole(
    name: str,
    segments: list[tuple[int, bytes]],
    trailer: bytes,
) -> None:
    data = PICTURES[name]
    for marker, body in segments:
        data = with_segment(data, marker, body)
    assert ends_by_full_scan(data + trailer)
    assert ends_by_look(data + trailer)


@pytest.mark.parametrize("name", PICTURES)
@OFTEN
@given(segments=segments(), cut=st.floats(0, 1, exclude_max=True), zeros=st.integers(0, 9000))
def test_look_finds_cut_off_what_a_full_scan_finds_cut_off(
    name: str,
    segments: list[tuple[int, bytes]],
    cut: float,
    zeros: int,
) -> None:
    data = PICTURES[name]
    for marker, body in segments:
        data = with_segment(data, marker, body)
    data = data[: max(3, int(cut * len(data)))] + bytes(zeros)
    assert not ends_by_full_scan(data)
    assert not ends_by_look(data)


@pytest.mark.parametrize("name", PICTURES)
def test_look_finds_every_cut_that_a_full_scan_finds(name: str) -> None:
    data = PICTURES[name]
    for cut in range(3, len(data) + 1):
        assert ends_by_look(data[:cut]) == ends_by_full_scan(data[:cut])


def test_look_takes_no_following_pictures_end_for_a_pictures_own() -> None:
    first = with_segment(PICTURES["jpeg-rgb"], 0xE2, b"MPF\0MM\0*")
    assert ends_by_look(first + PICTURES["jpeg-grey"])
    assert not ends_by_look(first[:-100] + PICTURES["jpeg-grey"])


def test_look_does_not_search_what_ends_with_its_end_mark() -> None:
    data = PICTURES["jpeg-rgb"]
    large = data[:-2] + b"\x11" * LARGE + data[-2:]
    assert _bytes_read(large) < SPAN + LARGE // 2
    assert _bytes_read(large + b"trailer") > LARGE


def _bytes_read(data: bytes) -> int:
    file = _Counted(data)
    look(file, len(data))
    return file.count


class _Counted(io.BytesIO):
    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.count += len(piece)
        return piece
