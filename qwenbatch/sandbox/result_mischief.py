"""What is wrong with a result: how its bytes are spoilt, and which result has which fault."""

from __future__ import annotations

import struct
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from qwenbatch.sandbox.faults import Fault

MAX_SPOILT = 10_000
HUGE_SIDE = 20_000
_SIGNATURE_BYTES = 8
_FRAME_BYTES = 12


@dataclass(slots=True)
class _Spoilt:
    fault: Fault
    left: int | None


class SpoiltResults:
    """Which results have a fault, and for how many more fetches; the last 10,000."""

    def __init__(self) -> None:
        self._spoilt: OrderedDict[str, _Spoilt] = OrderedDict()

    def spoil(self, name: str, fault: Fault) -> None:
        """The next fetches of this result meet `fault`: `times` of them, all where it is None."""
        self._spoilt[name] = _Spoilt(fault, fault.times)
        if len(self._spoilt) > MAX_SPOILT:
            self._spoilt.popitem(last=False)

    def take(self, name: str) -> Fault | None:
        """The fault that this fetch meets."""
        spoilt = self._spoilt.get(name)
        if spoilt is None:
            return None
        if spoilt.left is not None:
            spoilt.left -= 1
            if spoilt.left == 0:
                del self._spoilt[name]
        return spoilt.fault


def corrupted(png: bytes) -> bytes:
    """One byte of the first IDAT chunk's data is another: the chunk's checksum is wrong."""
    start = _chunk(png, b"IDAT")
    length = int.from_bytes(png[start : start + 4], "big")
    at = start + 8 + length // 2
    return png[:at] + bytes([png[at] ^ 0x01]) + png[at + 1 :]


def with_huge_header(png: bytes) -> bytes:
    """The header, its checksum right, claims 400 megapixels."""
    start = _chunk(png, b"IHDR")
    data = struct.pack(">II", HUGE_SIDE, HUGE_SIDE) + png[start + 16 : start + 21]
    checksum = struct.pack(">I", zlib.crc32(b"IHDR" + data))
    return png[: start + 8] + data + checksum + png[start + 25 :]


def as_jpeg(png: bytes) -> bytes:
    """The same picture in another format."""
    jpeg = BytesIO()
    with Image.open(BytesIO(png), formats=("PNG",)) as image:
        image.save(jpeg, "JPEG", quality=90)
    return jpeg.getvalue()


def _chunk(png: bytes, kind: bytes) -> int:
    """Where the first chunk of this kind starts, at its length."""
    at = _SIGNATURE_BYTES
    while png[at + 4 : at + 8] != kind:
        at += _FRAME_BYTES + int.from_bytes(png[at : at + 4], "big")
    return at
