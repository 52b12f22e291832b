from __future__ import annotations

import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwenbatch.core.pictures import Format, VerifiedPicture
from qwenbatch.errors import PictureError
from qwenbatch.imaging.verify import RESULT_EXTENSIONS, ResultVerifier, verify_file
from tests.imaging.conftest import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

GOOD = SAMPLES["png-rgb"].data


def chunk(kind: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def ihdr(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def verified(path: Path, pieces: Iterable[bytes]) -> VerifiedPicture:
    verifier = ResultVerifier()
    held = list(pieces)
    for piece in held:
        verifier.feed(piece)
    path.write_bytes(b"".join(held))
    return verifier.finish(path)


def refusal(path: Path, data: bytes) -> PictureError:
    with pytest.raises(PictureError) as caught:
        verified(path, [data])
    return caught.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "result.part"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.lists(st.integers(0, len(GOOD)), max_size=20).map(sorted))
def test_verifier_takes_a_good_png_in_any_pieces(path: Path, cuts: list[int]) -> None:
    borders = [0, *cuts, len(GOOD)]
    pieces = [GOOD[a:b] for a, b in pairwise(borders)]
    assert verified(path, pieces) == VerifiedPicture("png", 64, 48)


def test_verifier_takes_photographs_byte_for_byte_and_whole(
    path: Path,
    photographs: Mapping[str, bytes],
) -> None:
    data = photographs["chelsea.png"]
    step = 1371
    assert verified(path, [data[at : at + step] for at in range(0, len(data), step)]) == (
        VerifiedPicture("png", 451, 300)
    )
    assert verified(path, [bytes((byte,)) for byte in GOOD]).format == "png"


def test_verifier_finds_every_flipped_bit_of_a_png(path: Path) -> None:
    for place in range(len(GOOD)):
        for bit in (1, 16, 128):
            flipped = bytearray(GOOD)
            flipped[place] ^= bit
            refusal(path, bytes(flipped))


def test_verifier_finds_flips_in_a_photograph(
    path: Path,
    photographs: Mapping[str, bytes],
) -> None:
    data = photographs["coffee.png"]
    for place in range(100, len(data), len(data) // 25):
        flipped = bytearray(data)
        flipped[place] ^= 4
        assert "damaged" in refusal(path, bytes(flipped)).what


def test_verifier_finds_every_truncation_of_a_png(path: Path) -> None:
    for cut in range(len(GOOD)):
        refusal(path, GOOD[:cut])
    assert "cut off" in refusal(path, GOOD[:-1]).what


def test_verifier_allows_bytes_behind_the_end_mark(path: Path) -> None:
    assert verified(path, [GOOD + b"\0" * 1000, b"more"]).width == 64


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (png(ihdr(60000, 60000), chunk(b"IDAT", b"x"), chunk(b"IEND", b"")), "100 megapixels"),
        (png(ihdr(0, 5), chunk(b"IDAT", b"x"), chunk(b"IEND", b"")), "header"),
        (png(ihdr(5, 5), chunk(b"IEND", b"")), "without pixels"),
        (png(chunk(b"IDAT", b"x"), ihdr(5, 5), chunk(b"IEND", b"")), "begin with one header"),
        (png(ihdr(5, 5), ihdr(5, 5), chunk(b"IEND", b"")), "begin with one header"),
        (png(ihdr(5, 5), b"\xff\xff\xff\xffIDAT"), "cannot be"),
        (png(ihdr(5, 5), b"\0\0\0\0ID T"), "cannot be"),
        (b"", "empty"),
        (b"<html><body>502 Bad Gateway</body></html>", "web page"),
        (b"  \n<!doctype HTML>", "web page"),
        (b'{"error":"gone"}', "JSON"),
        (b"<Error><Code>NoSuchKey</Code></Error>", "XML"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (bytes(5000), "no picture"),
    ],
)
def test_verifier_says_what_is_wrong(path: Path, data: bytes, words: str) -> None:
    error = refusal(path, data)
    assert words in error.what
    assert error.advice == "Fetch it again."


@pytest.mark.parametrize("name", [name for name in SAMPLES if not name.startswith("png")])
def test_verifier_decodes_other_formats_in_full(path: Path, name: str) -> None:
    sample = SAMPLES[name]
    extension = RESULT_EXTENSIONS[Format[sample.pillow_format]]
    assert verified(path, [sample.data]) == VerifiedPicture(extension, 64, 48)
    for cut in range(0, len(sample.data), max(1, len(sample.data) // 30)):
        refusal(path, sample.data[:cut])


def test_verifier_finds_undecodable_pixels_of_other_formats(path: Path) -> None:
    data = bytearray(SAMPLES["tiff-deflate"].data)
    place = data.index(b"\x78", 8)
    data[place : place + 20] = bytes(20)
    refusal(path, bytes(data))


def test_verify_file_reads_what_the_verifier_is_fed(path: Path) -> None:
    path.write_bytes(GOOD)
    assert verify_file(path) == VerifiedPicture("png", 64, 48)
    path.write_bytes(GOOD[:-5])
    with pytest.raises(PictureError):
        verify_file(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        verify_file(path)


def test_verifier_holds_no_more_than_a_head(path: Path) -> None:
    verifier = ResultVerifier()
    verifier.feed(png(ihdr(5000, 5000)) + struct.pack(">I4s", 2**31 - 1, b"IDAT"))
    for _ in range(200):
        verifier.feed(bytes(100_000))
    assert len(verifier._head) <= 512
    assert len(verifier._png._held) <= 16
    with pytest.raises(PictureError, match="cut off"):
        verifier.finish(path)
