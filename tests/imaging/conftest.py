from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageCms, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH, HEIGHT = 64, 48
CORNERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
ORIENTATION = 274


@dataclass(frozen=True, slots=True)
class Sample:
    """An encoded picture with four corners of different colours, and how it was made."""

    name: str
    data: bytes
    pillow_format: str
    mode: str
    options: dict[str, Any]


def four_corners(mode: str = "RGB", size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    width, height = size
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    for index, colour in enumerate(CORNERS):
        left, top = (index % 2) * width // 2, (index // 2) * height // 2
        draw.rectangle((left, top, left + width // 2 - 1, top + height // 2 - 1), fill=colour)
    if mode in ("I;16", "I", "F"):
        wide = image.convert("L").convert("I")
        if mode == "F":
            return wide.convert("F").point(lambda value: value * (1 / 255) + 0)
        return wide.point(lambda value: value * 257 + 0).convert(mode)
    if mode in ("P", "L", "CMYK", "1"):
        return image.convert(mode)
    return image.convert(mode)


def encoded(image: Image.Image, pillow_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, pillow_format, **options)
    return buffer.getvalue()


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


_KINDS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("jpeg-rgb", "JPEG", "RGB", {"quality": 95, "subsampling": 0}),
    ("jpeg-grey", "JPEG", "L", {"quality": 95}),
    ("jpeg-cmyk", "JPEG", "CMYK", {"quality": 95}),
    ("jpeg-progressive", "JPEG", "RGB", {"quality": 95, "subsampling": 0, "progressive": True}),
    ("jpeg-restarts", "JPEG", "RGB", {"quality": 95, "restart_marker_blocks": 1}),
    ("png-rgb", "PNG", "RGB", {}),
    ("png-rgba", "PNG", "RGBA", {}),
    ("png-grey", "PNG", "L", {}),
    ("png-grey-alpha", "PNG", "LA", {}),
    ("png-palette", "PNG", "P", {}),
    ("png-bits", "PNG", "1", {}),
    ("png-16", "PNG", "I;16", {}),
    ("gif", "GIF", "P", {}),
    ("webp-lossy", "WEBP", "RGB", {"quality": 95}),
    ("webp-lossless", "WEBP", "RGB", {"lossless": True}),
    ("webp-alpha", "WEBP", "RGBA", {"quality": 95}),
    ("bmp-rgb", "BMP", "RGB", {}),
    ("bmp-grey", "BMP", "L", {}),
    ("bmp-palette", "BMP", "P", {}),
    ("bmp-bits", "BMP", "1", {}),
    ("bmp-rgba", "BMP", "RGBA", {}),
    ("tiff-rgb", "TIFF", "RGB", {}),
    ("tiff-rgba", "TIFF", "RGBA", {}),
    ("tiff-grey", "TIFF", "L", {}),
    ("tiff-palette", "TIFF", "P", {}),
    ("tiff-cmyk", "TIFF", "CMYK", {}),
    ("tiff-16", "TIFF", "I;16", {}),
    ("tiff-float", "TIFF", "F", {}),
    ("tiff-lzw", "TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("tiff-deflate", "TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
    ("tiff-jpeg", "TIFF", "RGB", {"compression": "jpeg", "quality": 95}),
    ("tiff-group4", "TIFF", "1", {"compression": "group4"}),
    ("tiff-big", "TIFF", "RGB", {"big_tiff": True}),
)


def _made(name: str, pillow_format: str, mode: str, options: dict[str, Any]) -> Sample:
    data = encoded(four_corners(mode), pillow_format, **options)
    return Sample(name, data, pillow_format, mode, options)


SAMPLES = {kind[0]: _made(*kind) for kind in _KINDS}


@pytest.fixture(params=tuple(SAMPLES.values()), ids=tuple(SAMPLES))
def sample(request: pytest.FixtureRequest) -> Sample:
    found = request.param
    assert isinstance(found, Sample)
    return found


@pytest.fixture(scope="session")
def photographs() -> dict[str, bytes]:
    folder = Path(__file__).parent.parent / "images"
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".md"}
    assert len(found) == 4
    return found


@pytest.fixture(scope="session")
def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="session")
def make() -> Callable[..., bytes]:
    return encoded
