from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from qwenbatch.core.pictures import MAX_DATA_URI_BYTES, Format, Reencode, data_uri_bytes
from qwenbatch.errors import PictureError
from qwenbatch.imaging.look import look
from tests.imaging.conftest import four_corners

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qwenbatch.core.pictures import Picture
    from tests.imaging.conftest import Sample

AS_THEY_ARE = {
    "jpeg-rgb",
    "jpeg-grey",
    "jpeg-progressive",
    "jpeg-restarts",
    "png-rgb",
    "png-rgba",
    "png-grey",
    "gif",
    "webp-lossy",
    "webp-lossless",
    "webp-alpha",
    "bmp-rgb",
    "tiff-rgb",
    "tiff-rgba",
    "tiff-grey",
    "tiff-lzw",
    "tiff-deflate",
}
WITH_ALPHA = {"png-rgba", "png-grey-alpha", "tiff-rgba"}


def looked(data: bytes) -> Picture:
    return look(io.BytesIO(data), len(data))


def refusal(data: bytes) -> PictureError:
    with pytest.raises(PictureError) as caught:
        looked(data)
    return caught.value


def test_look_tells_format_size_alpha_and_whether_bytes_go_untouched(sample: Sample) -> None:
    picture = looked(sample.data)
    assert picture.format is Format[sample.pillow_format]
    assert (picture.width, picture.height) == (64, 48)
    assert picture.size == len(sample.data)
    assert picture.orientation == 1
    assert picture.alpha is (sample.name in WITH_ALPHA)
    assert picture.reencode is (None if sample.name in AS_THEY_ARE else Reencode.MODE)


def test_look_finds_every_truncation(sample: Sample) -> None:
    size = len(sample.data)
    for cut in {*range(0, size, max(1, size // 200)), *range(max(0, size - 40), size)}:
        refusal(sample.data[:cut])


def test_look_finds_truncations_of_photographs(photographs: Mapping[str, bytes]) -> None:
    for data in photographs.values():
        assert looked(data).reencode is None
        for step in range(50):
            error = refusal(data[: len(data) * step // 50])
            assert step == 0 or "cut off" in error.what or "no picture" in error.what


def test_look_allows_bytes_behind_the_end(sample: Sample) -> None:
    for behind in (b"\0", b"\xff\xd9", b"garbage" * 1000, sample.data):
        picture = looked(sample.data + behind)
        assert replace(picture, size=len(sample.data)) == looked(sample.data)


def test_look_stops_at_the_size_it_is_given(sample: Sample) -> None:
    with pytest.raises(PictureError):
        look(io.BytesIO(sample.data), len(sample.data) - 1)


def test_look_says_cut_off_when_a_file_shrinks_under_it(sample: Sample) -> None:
    with pytest.raises(PictureError):
        look(io.BytesIO(sample.data[:20]), len(sample.data))


def test_look_asks_for_scaling_exactly_above_the_limit(make: Callable[..., bytes]) -> None:
    data = make(four_corners(), "PNG")
    most = MAX_DATA_URI_BYTES
    while data_uri_bytes(Format.PNG, most) > MAX_DATA_URI_BYTES:
        most -= 1 if most < MAX_DATA_URI_BYTES * 0.7501 else 100
    assert looked(data.ljust(most, b"\0")).reencode is None
    assert looked(data.ljust(most + 3, b"\0")).reencode is Reencode.SIZE


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "camera's raw file"),
        (b"FUJIFILMCCD-RAW 0201", "camera's raw file"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b'{"error": "not found"}', "JSON"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"\x1aE\xdf\xa3\x01\0\0", "video"),
        (b"plain words", "no picture in a format that the service takes"),
        (b"\0", "no picture in a format that the service takes"),
    ],
)
def test_look_names_what_is_no_picture(data: bytes, words: str) -> None:
    error = refusal(data)
    assert words in error.what
    assert error.advice


def test_look_tells_how_to_convert_heic() -> None:
    error = refusal(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert "heif-convert in.heic out.jpg" in error.advice


def test_look_refuses_pixel_bombs() -> None:
    body = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = [body, b"IDATx", b"IEND"]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    )
    assert "3,600 megapixels" in refusal(data).what


def test_look_finds_raw_files_that_are_tiffs(make: Callable[..., bytes]) -> None:
    extra: dict[int, Any] = {50706: b"\x01\x04\0\0", 254: 1}
    for tag, value in extra.items():
        fields = ImageFileDirectory_v2()
        fields[tag] = value
        data = make(four_corners(), "TIFF", tiffinfo=fields)
        assert refusal(data).what == "is a camera's raw file"


def rle_bitmap(packed: bytes, *, stated: int | None = None) -> bytes:
    length = len(packed) if stated is None else stated
    head = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54 + 1024)
    info = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, length, 0, 0, 256, 0)
    return head + info + bytes(1024) + packed


def test_look_measures_a_run_length_bitmap_by_its_stated_length() -> None:
    packed = b"\x04\x01\0\0\x04\x02\0\0\0\x01"
    assert looked(rle_bitmap(packed)).reencode is Reencode.MODE
    for cut in range(1, len(packed)):
        assert "cut off" in refusal(rle_bitmap(packed)[:-cut]).what
    assert "how long" in refusal(rle_bitmap(packed, stated=0)).what


def test_look_reads_big_endian_and_tiled_tiff() -> None:
    pixels = bytes(16 * 16)
    entries = [
        (256, 3, 1, 20 << 16),
        (257, 3, 1, 10 << 16),
        (258, 3, 1, 8 << 16),
        (259, 3, 1, 1 << 16),
        (262, 3, 1, 1 << 16),
        (274, 3, 1, 6 << 16),
        (322, 3, 1, 16 << 16),
        (323, 3, 1, 16 << 16),
        (324, 4, 2, 146),
        (325, 4, 2, 154),
        (50000, 2, 4, 0),
    ]
    directory = struct.pack(">H", len(entries))
    directory += b"".join(struct.pack(">HHII", *entry) for entry in entries) + bytes(4)
    data = b"MM\0*" + struct.pack(">I", 8) + directory
    assert len(data) == 146
    data += struct.pack(">IIII", 162, 162 + 256, 256, 256) + pixels * 2
    picture = looked(data)
    assert (picture.width, picture.height, picture.orientation) == (20, 10, 6)
    assert picture.upright == (10, 20)
    assert "cut off" in refusal(data[:-1]).what


def test_look_counts_the_first_frame_but_wants_all(make: Callable[..., bytes]) -> None:
    frames = [four_corners().rotate(90 * turn) for turn in range(3)]
    for pillow_format, reason in (
        ("GIF", None),
        ("TIFF", None),
        ("PNG", None),
        ("WEBP", Reencode.MODE),
    ):
        data = make(frames[0], pillow_format, save_all=True, append_images=frames[1:])
        picture = looked(data)
        assert (picture.width, picture.height, picture.reencode) == (64, 48, reason)
        for cut in range(0, len(data), max(1, len(data) // 60)):
            refusal(data[:cut])


def test_look_sees_transparency_of_palettes(make: Callable[..., bytes]) -> None:
    for pillow_format in ("PNG", "GIF"):
        palette = four_corners("P")
        red = palette.getpixel((3, 3))
        assert looked(make(palette, pillow_format, transparency=red)).alpha
    clear = four_corners("RGBA")
    clear.putalpha(100)
    for options in ({}, {"lossless": True}):
        assert looked(make(clear, "WEBP", **options)).alpha


def test_look_is_not_misled_by_a_thumbnail(
    make: Callable[..., bytes],
    photographs: Mapping[str, bytes],
) -> None:
    thumbnail = make(four_corners(), "JPEG")
    data = photographs["rocket.jpg"]
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    with_thumbnail = data[:2] + segment + data[2:]
    assert (looked(with_thumbnail).width, looked(with_thumbnail).height) == (640, 427)
    assert "cut off" in refusal(with_thumbnail[: len(thumbnail) + 2000]).what


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("shift", range(-4, 5))
def test_look_finds_the_end_mark_across_the_borders_of_its_reads(shift: int, times: int) -> None:
    scan_head = bytes.fromhex("ffc00011080030004003012200021101031101ffda000c03010002110311003f00")
    head = b"\xff\xd8" + scan_head
    body = b"\x11" * (times * 64 * 1024 - len(head) + shift)
    assert looked(head + body + b"\xff\xd9").width == 64
    assert looked(head + body + b"\xff\xff\xff\xd9").width == 64
    assert "cut off" in refusal(head + body + b"\xff").what
    assert "cut off" in refusal(head + body + b"\xff\x00").what


def test_look_gives_up_on_endless_parts() -> None:
    head = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0)
    data = head + b"!\xfe" + b"\x01x" * 1_100_000 + b"\0;"
    assert "parts" in refusal(data).what


def test_look_imports_no_pillow() -> None:
    program = (
        "import sys, qwenbatch.imaging.look, qwenbatch.imaging.probe, qwenbatch.imaging.encode,"
        " qwenbatch.imaging.verify; sys.exit('PIL' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
