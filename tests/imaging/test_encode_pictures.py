from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from PIL import Image, ImageChops, ImageOps

from qwenbatch.core.pictures import Format, Reencode, data_uri_bytes
from qwenbatch.errors import PictureError
from qwenbatch.imaging.encode import encode
from qwenbatch.imaging.look import look
from tests.imaging.conftest import CORNERS, exif_of, four_corners

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.imaging.conftest import Sample

LIMIT = 10_485_760
TOLERANCE = 6
GREYS = ((76,) * 3, (150,) * 3, (29,) * 3, (255,) * 3)


def encoded_again(data: bytes) -> tuple[Format, Image.Image]:
    file = io.BytesIO(data)
    format_, made = encode(file, look(file, len(data)))
    assert data_uri_bytes(format_, len(made)) <= LIMIT
    again = look(io.BytesIO(made), len(made))
    assert (again.format, again.reencode, again.orientation) == (format_, None, 1)
    image = Image.open(io.BytesIO(made))
    image.load()
    return format_, image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    width, height = image.size
    rgb = image.convert("RGB")
    places = ((3, 3), (width - 4, 3), (3, height - 4), (width - 4, height - 4))
    found = [rgb.getpixel(place) for place in places]
    return [colour for colour in found if isinstance(colour, tuple)]


def assert_close(found: list[tuple[int, ...]], expected: list[tuple[int, ...]]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert all(abs(a - b) <= TOLERANCE for a, b in zip(one, other, strict=True)), found


def expected_corners(sample: Sample) -> list[tuple[int, ...]]:
    if sample.mode == "1":
        return [(255,) * 3, (0,) * 3, (0,) * 3, (255,) * 3]
    is_grey = sample.mode in ("L", "LA", "I;16", "F")
    return list(GREYS if is_grey else CORNERS)


def test_encode_makes_plain_rgb_of_every_mode(sample: Sample) -> None:
    format_, image = encoded_again(sample.data)
    assert format_ is (Format.JPEG if sample.pillow_format == "JPEG" else Format.PNG)
    assert image.mode in ("RGB", "RGBA")
    assert image.size == (64, 48)
    if sample.mode != "1":
        assert_close(corners(image), expected_corners(sample))


ORIENTED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("JPEG", "RGB", {"quality": 95, "subsampling": 0}),
    ("JPEG", "L", {"quality": 95}),
    ("JPEG", "CMYK", {"quality": 95, "subsampling": 0}),
    ("PNG", "RGB", {}),
    ("PNG", "P", {}),
    ("PNG", "I;16", {}),
    ("WEBP", "RGB", {"lossless": True}),
    ("TIFF", "RGB", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "CMYK", {}),
    ("TIFF", "I;16", {}),
)


@pytest.mark.parametrize(("pillow_format", "mode", "options"), ORIENTED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_encode_bakes_in_every_orientation(
    make: Callable[..., bytes],
    pillow_format: str,
    mode: str,
    options: dict[str, Any],
    orientation: int,
) -> None:
    data = make(four_corners(mode), pillow_format, exif=exif_of(orientation), **options)
    _, image = encoded_again(data)
    seen = four_corners()
    seen.getexif()[274] = orientation
    expected = ImageOps.exif_transpose(seen)
    assert image.size == expected.size
    assert 274 not in image.getexif()
    wanted = corners(expected)
    if mode in ("L", "I;16"):
        wanted = corners(expected.convert("L"))
    assert_close(corners(image), wanted)


def test_encode_keeps_transparency_in_png_only(make: Callable[..., bytes]) -> None:
    clear = four_corners("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    format_, image = encoded_again(make(clear, "PNG", exif=exif_of(3)))
    assert (format_, image.mode) == (Format.PNG, "RGBA")
    assert ImageChops.difference(image, clear.rotate(180)).getbbox(alpha_only=False) is None
    palette = four_corners("P")
    red = palette.getpixel((3, 3))
    _, image = encoded_again(make(palette, "PNG", transparency=red))
    assert image.mode == "RGBA"
    corner = image.getpixel((3, 3))
    assert isinstance(corner, tuple)
    assert corner[3] == 0


def test_encode_scales_sixteen_bits_to_eight(make: Callable[..., bytes]) -> None:
    for value, expected in ((0, 0), (257, 1), (32768, 128), (65278, 254), (65535, 255)):
        wide = Image.new("I", (8, 8), value).convert("I;16")
        for pillow_format in ("PNG", "TIFF"):
            _, image = encoded_again(make(wide, pillow_format))
            assert image.getpixel((4, 4)) == (expected,) * 3


def test_encode_keeps_an_rgb_profile(make: Callable[..., bytes], srgb: bytes) -> None:
    for pillow_format in ("JPEG", "PNG", "TIFF"):
        data = make(four_corners(), pillow_format, exif=exif_of(6), icc_profile=srgb)
        assert encoded_again(data)[1].info["icc_profile"] == srgb
    data = make(four_corners("CMYK"), "JPEG", icc_profile=b"broken")
    assert "icc_profile" not in encoded_again(data)[1].info


def noise(width: int, height: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), os.urandom(width * height * 3))


@pytest.mark.parametrize("pillow_format", ["JPEG", "BMP"])
def test_encode_scales_noise_of_20_megapixels_until_it_fits(
    make: Callable[..., bytes],
    pillow_format: str,
) -> None:
    data = make(noise(5000, 4000), pillow_format)
    picture = look(io.BytesIO(data), len(data))
    assert picture.reencode is Reencode.SIZE
    format_, image = encoded_again(data)
    assert format_ is Format.JPEG
    assert image.width / image.height == pytest.approx(5000 / 4000, rel=0.01)
    assert image.width > 1000


def test_encode_decodes_a_huge_jpeg_in_part_only(make: Callable[..., bytes]) -> None:
    image = four_corners("RGB", (8000, 6000))
    image.paste(noise(2600, 2600), (2700, 1700))
    data = make(image, "JPEG", quality=98, subsampling=0, exif=exif_of(6))
    picture = look(io.BytesIO(data), len(data))
    assert data_uri_bytes(Format.JPEG, len(data)) > LIMIT
    assert picture.reencode is Reencode.ORIENTATION
    _, made = encoded_again(data)
    assert made.height == 4000
    assert made.width == 3000
    assert_close(corners(made), [CORNERS[2], CORNERS[0], CORNERS[3], CORNERS[1]])


def test_encode_puts_transparency_on_white_where_png_is_too_long(
    make: Callable[..., bytes],
) -> None:
    image = noise(2200, 1800)
    image.putalpha(0)
    format_, made = encoded_again(make(image, "PNG", compress_level=1))
    assert format_ is Format.JPEG
    assert corners(made) == [(255, 255, 255)] * 4


def test_encode_turns_every_failure_to_decode_into_our_error(sample: Sample) -> None:
    data = sample.data
    picture = look(io.BytesIO(data), len(data))
    for step in range(0, len(data), max(1, len(data) // 40)):
        for damaged in (data[:step], data[:step] + bytes(8) + data[step + 8 :]):
            try:
                format_, made = encode(io.BytesIO(damaged), picture)
            except PictureError:
                continue
            assert look(io.BytesIO(made), len(made)).format is format_


def test_encode_goes_by_the_looked_at_format_alone(make: Callable[..., bytes]) -> None:
    jpeg = make(four_corners(), "JPEG")
    picture = look(io.BytesIO(jpeg), len(jpeg))
    with pytest.raises(PictureError):
        encode(io.BytesIO(jpeg), replace(picture, format=Format.PNG))


class Unreadable(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error", size)


def test_encode_lets_the_machines_own_errors_pass(make: Callable[..., bytes]) -> None:
    data = make(four_corners(), "PNG")
    picture = look(io.BytesIO(data), len(data))
    with pytest.raises(OSError, match="Input/output"):
        encode(Unreadable(data), picture)
