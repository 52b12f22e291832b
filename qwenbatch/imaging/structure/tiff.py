"""TIFF: directories that point at strips or tiles, which must all lie in the file (TIFF 6.0)."""

from __future__ import annotations

from enum import IntEnum
from operator import add
from typing import TYPE_CHECKING, Final

from qwenbatch.core.pictures import MAX_PIXELS
from qwenbatch.errors import PictureError
from qwenbatch.imaging.structure.exif import UPRIGHT, valid_orientation
from qwenbatch.imaging.structure.outline import Outline
from qwenbatch.imaging.structure.tiff_directory import Directory, Layout

if TYPE_CHECKING:
    from qwenbatch.imaging.structure.window import Window

MAX_PAGES: Final = 10_000

_RAW_SIGNATURE_OFFSET: Final = 8
_RAW_SIGNATURE: Final = b"CR"
_EVERYTHING: Final = 2**32 - 1
_REDUCED: Final = 1
_COLOUR_FILTER_ARRAYS: Final = (32803, 34892)
_UNCOMPRESSED: Final = 1
# None, LZW, Deflate by both of its numbers, PackBits.
_PLAIN_COMPRESSIONS: Final = (_UNCOMPRESSED, 5, 8, 32946, 32773)
_UNSIGNED_SAMPLES: Final = 1
_ALPHAS: Final = (1, 2)
_RGB: Final = 2
_BLACK_IS_ZERO: Final = 1
_CHUNKY: Final = 1


class _Tag(IntEnum):
    SUBFILE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_LENGTHS = 279
    PLANES = 284
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_LENGTHS = 325
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    DNG_VERSION = 50706


def outline(window: Window) -> Outline:
    """A TIFF's outline: its first picture counts, but every picture of it must be whole.

    Plain is grey or RGB of 8 bits, with or without alpha behind RGB, sample by sample, lossless.
    """
    layout = Layout.of(window.read(0, 4))
    if layout is None:
        raise window.damaged("its header makes no sense")
    (offset,) = window.unpack(layout.pointer, layout.start)
    first = Directory.at(window, layout, offset)
    _refuse_raw(window, first)
    found = _outlined(first)
    _require_whole(first)
    seen = {offset}
    following = first.following
    while following and following not in seen:
        if len(seen) >= MAX_PAGES:
            raise window.damaged(f"it holds more than {MAX_PAGES:,} pictures")
        seen.add(following)
        page = Directory.at(window, layout, following)
        _require_whole(page)
        following = page.following
    return found


def _refuse_raw(window: Window, first: Directory) -> None:
    is_raw = (
        _Tag.DNG_VERSION in first.fields
        or first.number(_Tag.PHOTOMETRIC, 0) in _COLOUR_FILTER_ARRAYS
        or first.number(_Tag.SUBFILE, 0) & _REDUCED
        or (window.read(_RAW_SIGNATURE_OFFSET, 2) == _RAW_SIGNATURE and not first.layout.big)
    )
    if is_raw:
        raise PictureError("is a camera's raw file", "Develop it and export it as JPEG or TIFF.")


def _outlined(page: Directory) -> Outline:
    width, height = page.number(_Tag.WIDTH, 0), page.number(_Tag.HEIGHT, 0)
    if not width or not height:
        raise page.window.damaged("its header states no size")
    samples = page.number(_Tag.SAMPLES, 1)
    extra = page.numbers(_Tag.EXTRA_SAMPLES)
    colours = page.number(_Tag.PHOTOMETRIC, -1), samples - len(extra), len(extra)
    is_plain = (
        not page.layout.big
        and colours in ((_BLACK_IS_ZERO, 1, 0), (_RGB, 3, 0), (_RGB, 3, 1))
        and set(page.numbers(_Tag.BITS)) == {8}
        and page.number(_Tag.COMPRESSION, _UNCOMPRESSED) in _PLAIN_COMPRESSIONS
        and page.number(_Tag.PLANES, _CHUNKY) == _CHUNKY
        and page.number(_Tag.SAMPLE_FORMAT, _UNSIGNED_SAMPLES) == _UNSIGNED_SAMPLES
    )
    return Outline(
        width=width,
        height=height,
        plain=is_plain,
        alpha=any(kind in _ALPHAS for kind in extra),
        orientation=valid_orientation(page.number(_Tag.ORIENTATION, UPRIGHT)),
    )


def _require_whole(page: Directory) -> None:
    """PictureError unless all strips or tiles of the page are named and lie inside the file."""
    window = page.window
    tiled = _Tag.TILE_OFFSETS in page.fields
    offsets = page.numbers(_Tag.TILE_OFFSETS if tiled else _Tag.STRIP_OFFSETS)
    lengths = page.numbers(_Tag.TILE_LENGTHS if tiled else _Tag.STRIP_LENGTHS)
    if not lengths and len(offsets) == 1:
        # Old writers leave the length of a single strip out; it is known where nothing is packed.
        lengths = (_unpacked_bytes(page),)
    expected = _tiles(page) if tiled else _strips(page)
    if len(offsets) < expected or len(lengths) < expected:
        raise window.damaged("its directory does not name all of its pixels")
    if max(map(add, offsets, lengths), default=0) > window.size:
        raise window.cut_off("its last strip or tile")


def _unpacked_bytes(page: Directory) -> int:
    if page.number(_Tag.COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED:
        return 0
    bits = page.number(_Tag.BITS, 1) * page.number(_Tag.SAMPLES, 1)
    return (page.number(_Tag.WIDTH, 0) * bits + 7) // 8 * page.number(_Tag.HEIGHT, 0)


def _strips(page: Directory) -> int:
    rows = page.number(_Tag.ROWS_PER_STRIP, _EVERYTHING)
    if not rows:
        raise page.window.damaged("its strips have no rows")
    return max(1, -(-page.number(_Tag.HEIGHT, 0) // rows)) * _planes(page)


def _tiles(page: Directory) -> int:
    wide, high = page.number(_Tag.TILE_WIDTH, 0), page.number(_Tag.TILE_HEIGHT, 0)
    if not 0 < wide * high <= MAX_PIXELS:
        raise page.window.damaged("its tiles have a size that cannot be")
    across = -(-page.number(_Tag.WIDTH, 0) // wide)
    down = -(-page.number(_Tag.HEIGHT, 0) // high)
    return max(1, across * down) * _planes(page)


def _planes(page: Directory) -> int:
    separate = page.number(_Tag.PLANES, _CHUNKY) != _CHUNKY
    return page.number(_Tag.SAMPLES, 1) if separate else 1
