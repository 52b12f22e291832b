from __future__ import annotations

import struct
import time
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from PIL import Image

from qwenbatch.core.pictures import MAX_DATA_URI_BYTES, MAX_PIXELS, data_uri_bytes
from qwenbatch.errors import PictureError
from qwenbatch.imaging.encode import encode
from qwenbatch.imaging.look import look
from qwenbatch.imaging.verify import ResultVerifier
from tests.fuzz.conftest import changed, changes
from tests.imaging.conftest import SAMPLES

if TYPE_CHECKING:
    from tests.fuzz.conftest import Fuzz

pytestmark = pytest.mark.fuzz

HERE = Path(__file__).parent.parent
SECONDS_MOST = 20.0
FEW_PIXELS = 1_000_000
PHOTOGRAPHS = {
    path.name: path.read_bytes()
    for folder in (HERE / "images", HERE.parent / "jobs" / "images")
    for path in sorted(folder.iterdir())
    if path.suffix != ".md"
}
SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNGS = [data for data in PHOTOGRAPHS.values() if data.startswith(SIGNATURE)]
PNGS += [sample.data for name, sample in SAMPLES.items() if name.startswith("png")]


# ---------------------------------------------------------------------- by their parts


def png_parts(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a sound PNG: type and body."""
    parts, at = [], len(SIGNATURE)
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        parts.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return parts


def png_of(parts: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG with right checksums, whatever its chunks are."""
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def jpeg_parts(data: bytes) -> list[bytes]:
    """A JPEG cut before each marker that is one."""
    cuts = [at for at in range(len(data) - 1) if data[at] == 0xFF and data[at + 1] >= 0xC0]
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if b > a]


def riff_parts(data: bytes) -> list[bytes]:
    """A RIFF's head, and its chunks."""
    parts, at = [data[:12]], 12
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        parts.append(data[at:end])
        at = end
    return parts


def shuffled(parts: list[Any], orders: list[tuple[str, float, float]]) -> list[Any]:
    """The parts after some of them were dropped, doubled or moved."""
    parts = list(parts)
    for what, one, other in orders:
        if not parts:
            break
        at, to = int(one * (len(parts) - 1)), int(other * (len(parts) - 1))
        match what:
            case "drop":
                del parts[at]
            case "double":
                parts.insert(to, parts[at])
            case _:
                parts[at], parts[to] = parts[to], parts[at]
    return parts


_SHARE = st.floats(0, 1, allow_nan=False)
_KINDS = st.sampled_from(("drop", "double", "swap"))
ORDERS = st.lists(st.tuples(_KINDS, _SHARE, _SHARE), max_size=4)


def png_mutants() -> st.SearchStrategy[bytes]:
    """PNGs with right checksums and wrong contents."""

    def build(data: bytes, orders: list[Any], which: float, steps: list[Any]) -> bytes:
        parts = shuffled(png_parts(data), orders)
        if parts:
            at = int(which * (len(parts) - 1))
            kind, body = parts[at]
            parts[at] = kind, changed(body, steps)
        return png_of(parts)

    return st.builds(build, st.sampled_from(PNGS), ORDERS, _SHARE, changes(most=3))


def part_mutants() -> st.SearchStrategy[bytes]:
    """JPEGs and WEBPs whose segments are shuffled, dropped and doubled."""
    wholes = [jpeg_parts(PHOTOGRAPHS["rocket.jpg"])]
    wholes += [jpeg_parts(s.data) for name, s in SAMPLES.items() if name.startswith("jpeg")]
    wholes += [riff_parts(s.data) for name, s in SAMPLES.items() if name.startswith("webp")]

    def build(parts: list[bytes], orders: list[Any], steps: list[Any]) -> bytes:
        return changed(b"".join(shuffled(parts, orders)), steps[1:])

    return st.builds(build, st.sampled_from(wholes), ORDERS, changes(most=4))


def byte_mutants() -> st.SearchStrategy[bytes]:
    """Any picture with changed bytes; at times with another one's end."""
    whole = [*(sample.data for sample in SAMPLES.values()), *PHOTOGRAPHS.values()]

    def build(data: bytes, other: bytes | None, where: float, steps: list[Any]) -> bytes:
        if other is not None:
            data = data[: int(where * len(data))] + other[int(where * len(other)) :]
        return changed(data, steps)

    others = st.one_of(st.none(), st.none(), st.sampled_from(whole))
    return st.builds(build, st.sampled_from(whole), others, _SHARE, changes())


# ---------------------------------------------------------------------- sources


def check_source(data: bytes) -> None:
    began = time.monotonic()
    try:
        picture = look(BytesIO(data), len(data))
    except PictureError:
        pass
    else:
        assert 0 < picture.width * picture.height <= MAX_PIXELS
        if picture.reencode is not None and picture.width * picture.height <= FEW_PIXELS:
            check_encoded(data, picture)
    assert time.monotonic() - began < SECONDS_MOST


def check_encoded(data: bytes, picture: Any) -> None:
    try:
        format_, made = encode(BytesIO(data), picture)
    except PictureError:
        return
    assert data_uri_bytes(format_, len(made)) <= MAX_DATA_URI_BYTES
    with Image.open(BytesIO(made)) as image:
        image.load()


@pytest.mark.parametrize(
    "mutants",
    [byte_mutants(), png_mutants(), part_mutants()],
    ids=["bytes", "png", "parts"],
)
def test_picture_fuzzed_is_seen_and_encoded_or_refused(
    fuzz: Fuzz,
    mutants: st.SearchStrategy[bytes],
) -> None:
    fuzz(mutants, check_source)


# ---------------------------------------------------------------------- results


def checksums_hold(data: bytes) -> bool:
    """Whether every chunk up to IEND is whole: read anew here, from the format's definition."""
    at = len(SIGNATURE)
    while data.startswith(SIGNATURE) and at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 8 + length
        stated = data[end : end + 4]
        if len(stated) < 4 or zlib.crc32(data[at + 4 : end]) != int.from_bytes(stated, "big"):
            return False
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at = end + 4
    return False


def pillow_reads(data: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(BytesIO(data)) as image:
                image.load()
        except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error):
            return False
    return True


@pytest.mark.parametrize("checksums", ["broken", "right"])
def test_result_fuzzed_is_taken_only_where_it_is_whole(
    fuzz: Fuzz,
    tmp_path: Path,
    checksums: str,
) -> None:
    path = tmp_path / "result"
    altered = st.builds(changed, st.sampled_from(PNGS), changes(most=3))

    def check(value: tuple[bytes, int]) -> None:
        data, step = value
        verifier = ResultVerifier()
        for at in range(0, len(data), step):
            verifier.feed(data[at : at + step])
        path.write_bytes(data)
        try:
            found = verifier.finish(path)
        except PictureError:
            return
        assert found.width * found.height <= MAX_PIXELS
        if found.format == "png":
            assert checksums_hold(data)
        if checksums == "broken":
            assert pillow_reads(data)

    mutants = altered if checksums == "broken" else png_mutants()
    fuzz(st.tuples(mutants, st.sampled_from((64, 4096, 1 << 20))), check)
