from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops

from qwenbatch.sandbox import Sandbox, SandboxSettings
from qwenbatch.sandbox.edits import edits_named

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Edit = Callable[..., Awaitable[Image.Image]]

pytestmark = pytest.mark.anyio

ORIENTATION = 0x0112


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxSettings()) as opened:
        yield opened


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures' pixels, 0 to 255."""
    small = (64, 64)
    histogram = ImageChops.difference(one.resize(small), other.resize(small)).histogram()
    return sum(index % 256 * count for index, count in enumerate(histogram)) / sum(histogram)


def mean(image: Image.Image) -> float:
    return difference(image, Image.new(image.mode, image.size))


@pytest.mark.parametrize(
    ("instruction", "count"),
    [
        ("Make it greyscale", 1),
        ("make it black and white, then blur it", 2),
        ("Rotate it 90 degrees to the left", 1),
        ("rotate it clockwise", 1),
        ("turn it upside down", 1),
        ("flip it vertically", 1),
        ("flip horizontally, brighten and sharpen", 3),
        ("Posterise it", 1),
        ("only the edges", 1),
        ("add a cat on a ledge", 0),
    ],
)
def test_edits_are_recognised_by_whole_words(instruction: str, count: int) -> None:
    assert len(edits_named(instruction)) == count


@pytest.mark.parametrize(
    "instruction",
    [
        "greyscale",
        "grayscale",
        "sepia",
        "invert the colours",
        "blur",
        "sharpen",
        "mirror it",
        "upside down",
        "brighten",
        "darken",
        "posterise",
        "emboss",
        "edges",
        "Put a red hat on the astronaut",
    ],
)
async def test_edit_changes_what_comes_back(
    sandbox: Sandbox,
    edit: Edit,
    images: Path,
    instruction: str,
) -> None:
    data = (images / "astronaut.png").read_bytes()
    source = Image.open(BytesIO(data)).convert("RGB")
    result = await edit(sandbox, instruction, data)
    assert (result.mode, result.format, result.size) == ("RGB", "PNG", (1024, 1024))
    assert difference(source, result) > 0.5


async def test_greyscale_has_equal_channels(sandbox: Sandbox, edit: Edit, images: Path) -> None:
    result = await edit(sandbox, "greyscale", (images / "coffee.png").read_bytes())
    red, green, blue = result.split()
    assert result.size == (1248, 832)
    assert red.tobytes() == green.tobytes() == blue.tobytes()


async def test_edits_combine(sandbox: Sandbox, edit: Edit) -> None:
    plain, both = await edit(sandbox, "mirror"), await edit(sandbox, "mirror and invert")
    assert difference(plain, ImageChops.invert(both)) < 1


async def test_light_goes_the_way_it_is_told(sandbox: Sandbox, edit: Edit) -> None:
    assert mean(await edit(sandbox, "brighten")) > 1.5 * mean(await edit(sandbox, "darken"))


@pytest.mark.parametrize(
    ("instruction", "turn"),
    [
        ("rotate it 90 degrees to the left", Image.Transpose.ROTATE_90),
        ("rotate it 90 degrees counter-clockwise", Image.Transpose.ROTATE_90),
        ("rotate it by 90 degrees to the right", Image.Transpose.ROTATE_270),
        ("rotated clockwise", Image.Transpose.ROTATE_270),
        ("rotate it 180 degrees", Image.Transpose.ROTATE_180),
    ],
)
async def test_turn_goes_the_way_it_is_told(
    sandbox: Sandbox,
    edit: Edit,
    tiny_png: bytes,
    instruction: str,
    turn: Image.Transpose,
) -> None:
    turned = Image.open(BytesIO(tiny_png)).transpose(turn)
    result = await edit(sandbox, instruction)
    assert (result.width > result.height) == (turned.width > turned.height)
    assert difference(turned, result) < 4


async def test_instruction_without_a_known_edit_is_written_at_the_foot(
    sandbox: Sandbox,
    edit: Edit,
) -> None:
    one, other = await edit(sandbox, "Add one cat"), await edit(sandbox, "Add two cats")
    box = ImageChops.difference(one, other).getbbox()
    assert box is not None
    assert box[1] > one.height // 2


@pytest.mark.parametrize("text", ["word " * 160, "x" * 800, "图片" * 400, "\ud800 lone", "a\x00b"])
async def test_any_instruction_can_be_written(sandbox: Sandbox, edit: Edit, text: str) -> None:
    assert (await edit(sandbox, text)).size == (1184, 896)


async def test_instruction_is_written_on_extreme_shapes_too(sandbox: Sandbox, edit: Edit) -> None:
    for size in ((4, 600), (600, 4), (1, 1)):
        data = BytesIO()
        Image.new("RGB", size).save(data, "PNG")
        await edit(sandbox, "Add a cat", data.getvalue(), watermark=True)


async def test_watermark_alters_only_the_bottom_right_corner(sandbox: Sandbox, edit: Edit) -> None:
    plain = await edit(sandbox, "sepia")
    marked = await edit(sandbox, "sepia", watermark=True)
    box = ImageChops.difference(plain, marked).getbbox()
    assert box is not None
    assert box[0] > plain.width * 0.8
    assert box[1] > plain.height * 0.9


async def test_same_request_brings_the_same_picture(sandbox: Sandbox, edit: Edit) -> None:
    one, other = await edit(sandbox, "Add a cat"), await edit(sandbox, "Add a cat")
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
async def test_exif_orientation_is_ignored(
    sandbox: Sandbox,
    edit: Edit,
    tiny_png: bytes,
    kind: str,
) -> None:
    image = Image.open(BytesIO(tiny_png)).convert("RGB")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        data = BytesIO()
        options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
        image.save(data, kind, exif=exif, **options)
        result = await edit(sandbox, "mirror", data.getvalue(), mime=f"image/{kind.lower()}")
        assert result.size == (1184, 896)
        assert difference(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), result) < 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
async def test_every_mode_comes_back_as_rgb(sandbox: Sandbox, edit: Edit, mode: str) -> None:
    data = BytesIO()
    Image.new(mode, (96, 64)).save(data, "TIFF" if mode == "CMYK" else "PNG")
    mime = "image/tiff" if mode == "CMYK" else "image/png"
    assert (await edit(sandbox, "sepia", data.getvalue(), mime=mime)).mode == "RGB"


async def test_sixteen_bits_keep_their_brightness(sandbox: Sandbox, edit: Edit) -> None:
    data = BytesIO()
    Image.new("I;16", (64, 64), 128 * 257).save(data, "PNG")
    result = await edit(sandbox, "mirror", data.getvalue())
    assert result.getpixel((5, 5)) == (128, 128, 128)


async def test_gif_gives_its_first_frame(sandbox: Sandbox, edit: Edit) -> None:
    data = BytesIO()
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:])
    result = await edit(sandbox, "mirror", data.getvalue(), mime="image/gif")
    assert result.getpixel((5, 5)) == (255, 0, 0)


async def test_large_photograph_is_resized_by_its_true_shape(sandbox: Sandbox, edit: Edit) -> None:
    data = BytesIO()
    Image.new("RGB", (8000, 6000), "teal").save(data, "JPEG")
    assert (await edit(sandbox, "mirror", data.getvalue(), mime="image/jpeg")).size == (1184, 896)
