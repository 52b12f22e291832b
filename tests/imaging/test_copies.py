"""Small copies of pictures, for people to look at."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageCms

from qwenbatch.errors import PictureError
from qwenbatch.imaging.copies import Copied, copied

if TYPE_CHECKING:
    from collections.abc import Sequence


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def copies_of(data: bytes, sides: Sequence[int] = (320, 1280)) -> tuple[Copied, list[Image.Image]]:
    made = copied(io.BytesIO(data), len(data), sides)
    return made, [Image.open(io.BytesIO(copy), formats=["WEBP"]) for copy in made.copies]


def halves(size: tuple[int, int]) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, (250, 10, 10))
    image.paste((10, 10, 250), (size[0] // 2, 0, *size))
    return image


def colour(image: Image.Image, share: float) -> str:
    """What the picture mostly is at a share of its width."""
    pixel = image.convert("RGB").getpixel((int(image.width * share), image.height // 2))
    assert isinstance(pixel, tuple)
    return "red" if pixel[0] > pixel[2] else "blue"


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_copies_have_the_longest_sides_that_were_asked_for(format_: str) -> None:
    made, (card, view) = copies_of(encoded(halves((3000, 1500)), format_))
    assert (made.width, made.height) == (3000, 1500)
    assert (card.size, view.size) == ((320, 160), (1280, 640))
    assert [colour(card, share) for share in (0.2, 0.8)] == ["red", "blue"]


def test_copies_are_never_larger_than_the_picture() -> None:
    _, (card, view) = copies_of(encoded(halves((400, 100)), "PNG"))
    assert (card.size, view.size) == ((320, 80), (400, 100))


def test_copies_of_a_line_have_a_side_of_one() -> None:
    _, (card, _) = copies_of(encoded(halves((4000, 2)), "PNG"))
    assert card.size == (320, 1)


def test_copies_stand_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    made, (card, _) = copies_of(encoded(halves((2000, 1000)), "JPEG", exif=exif))
    assert (made.width, made.height) == (1000, 2000)
    assert card.size == (160, 320)
    assert colour(card.rotate(90, expand=True), 0.2) == "red"
    assert not card.getexif()


def test_copies_keep_transparency() -> None:
    _, (card, _) = copies_of(encoded(Image.new("RGBA", (500, 500), (255, 0, 0, 0)), "PNG"))
    assert card.mode == "RGBA"
    assert card.getchannel("A").getextrema() == (0, 0)


def test_copies_carry_no_profile_and_are_in_srgb() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    _, (card, _) = copies_of(encoded(halves((500, 500)), "PNG", icc_profile=lab))
    assert "icc_profile" not in card.info
    assert colour(card, 0.2) == "red"
    _, (other, _) = copies_of(encoded(halves((500, 500)), "PNG", icc_profile=b"\0" * 16 + b"RGB x"))
    assert colour(other, 0.2) == "red"


def test_copies_of_nothing_tell_the_size_alone() -> None:
    made, _ = copies_of(encoded(halves((500, 300)), "PNG"), ())
    assert made == Copied(500, 300, ())


@pytest.mark.parametrize("data", [b"", b"no picture", encoded(halves((500, 300)), "PNG")[:-2000]])
def test_copies_of_what_is_no_sound_picture_are_refused(data: bytes) -> None:
    with pytest.raises(PictureError):
        copies_of(data)
