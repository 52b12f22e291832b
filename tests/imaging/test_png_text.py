"""Texts in a PNG: the picture stays what it is, and any reader finds them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from qwenbatch.errors import PictureError
from qwenbatch.imaging.png_text import TextInserter, text_chunks
from qwenbatch.imaging.verify import ResultVerifier

TEXTS = {"instruction": "mach's grün — 緑\nund schön", "Software": "qwenbatch"}


def picture(form: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("RGB", (40, 30), (9, 99, 199)).save(file, form)
    return file.getvalue()


def passed(data: bytes, pieces: list[int], texts: dict[str, str] = TEXTS) -> tuple[bytes, bool]:
    inserter = TextInserter(text_chunks(texts))
    made = b""
    for piece in pieces:
        made += inserter.feed(data[:piece])
        data = data[piece:]
    made += inserter.feed(data)
    return made + inserter.rest(), inserter.inserted


@given(pieces=st.lists(st.integers(0, 40), max_size=6))
def test_texts_go_in_wherever_the_pieces_end_and_the_pixels_stay(pieces: list[int]) -> None:
    data = picture()
    chunks = text_chunks(TEXTS)

    made, inserted = passed(data, pieces)

    assert inserted
    assert made == data[:33] + chunks + data[33:]


def test_texts_are_found_by_another_reader_and_the_picture_verifies() -> None:
    made, _ = passed(picture(), [])

    verifier = ResultVerifier()
    verifier.feed(made)
    found = verifier.finish(Path("unread"))
    assert (found.format, found.width, found.height) == ("png", 40, 30)
    with Image.open(BytesIO(made)) as image, Image.open(BytesIO(picture())) as before:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        assert image.text == TEXTS
        assert image.tobytes() == before.tobytes()


@given(text=st.text(min_size=1))
def test_any_text_is_embedded(text: str) -> None:
    made, _ = passed(picture(), [], {"instruction": text})

    with Image.open(BytesIO(made)) as image:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        expected = text.replace("\0", "\ufffd").encode(errors="replace").decode()
        assert image.text == {"instruction": expected}


@given(data=st.binary(max_size=60), pieces=st.lists(st.integers(0, 20), max_size=5))
def test_what_is_no_png_passes_as_it_is(data: bytes, pieces: list[int]) -> None:
    assert passed(data, pieces) == (data, False)
    assert passed(picture("JPEG"), pieces) == (picture("JPEG"), False)
    assert passed(picture()[:32], pieces) == (picture()[:32], False)


def test_a_damaged_picture_stays_damaged() -> None:
    data = bytearray(picture())
    data[20] ^= 1
    verifier = ResultVerifier()
    verifier.feed(passed(bytes(data), [])[0])
    with pytest.raises(PictureError):
        verifier.finish(Path("unread"))
