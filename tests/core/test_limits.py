from __future__ import annotations

import pytest

from qwenbatch.core.items import FileSource, Row, UrlSource
from qwenbatch.core.limits import MODEL_LIMITS, Limits, PictureForm, picture_warnings, text_warnings
from qwenbatch.core.pictures import Format, Picture, Reencode

BYTES = Limits(
    form=PictureForm.BYTES,
    picture_bytes=1000,
    formats=frozenset({Format.PNG}),
    sides=None,
    instruction=None,
    negative_prompt=None,
    urls=False,
    watermark=False,
)


def picture(
    size: int = 1000, format_: Format = Format.PNG, reencode: Reencode | None = None
) -> Picture:
    return Picture(
        format=format_,
        width=10,
        height=9000,
        orientation=1,
        alpha=False,
        size=size,
        reencode=reencode,
    )


def row(source: FileSource | UrlSource, *, watermark: bool = False) -> Row:
    return Row(
        number=1,
        line=1,
        image="a",
        source=source,
        mirror="a",
        instruction="x" * 5000,
        watermark=watermark,
    )


@pytest.mark.parametrize(
    ("limits", "found", "goes"),
    [
        (MODEL_LIMITS, picture(), True),
        (MODEL_LIMITS, picture(format_=Format.TIFF), True),
        (MODEL_LIMITS, picture(reencode=Reencode.SIZE), False),
        (BYTES, picture(), True),
        (BYTES, picture(size=1001), False),
        (BYTES, picture(format_=Format.TIFF), False),
        (BYTES, picture(reencode=Reencode.SIZE), True),
        (BYTES, picture(reencode=Reencode.ORIENTATION), False),
        (BYTES, picture(reencode=Reencode.MODE), False),
    ],
)
def test_limits_say_whether_a_picture_goes_as_it_is(
    limits: Limits, found: Picture, *, goes: bool
) -> None:
    assert limits.takes_as_it_is(found) is goes


@pytest.mark.parametrize(
    ("asked", "column"),
    [
        (row(FileSource("/a.png")), None),
        (row(UrlSource("https://h.test/a.png")), "image"),
        (row(FileSource("/a.png"), watermark=True), "watermark"),
    ],
)
def test_limits_refuse_rows_that_a_door_cannot_edit(asked: Row, column: str | None) -> None:
    refused = BYTES.refusal(asked)
    assert (None if refused is None else refused.column) == column
    assert refused is None or refused.advice
    assert MODEL_LIMITS.refusal(asked) is None


def test_limits_that_nobody_knows_are_not_warned_of() -> None:
    assert picture_warnings(picture(), BYTES) == ()
    assert picture_warnings(picture())
    assert text_warnings("i" * 5000, "n" * 5000, BYTES) == ()
