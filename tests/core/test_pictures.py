from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.limits import picture_warnings, text_warnings
from qwenbatch.core.pictures import (
    RESULT_PIXELS,
    Format,
    Picture,
    data_uri_bytes,
    predicted_size,
)


def picture(width: int, height: int, *, orientation: int = 1, alpha: bool = False) -> Picture:
    return Picture(
        format=Format.JPEG,
        width=width,
        height=height,
        orientation=orientation,
        alpha=alpha,
        size=1000,
        reencode=None,
    )


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ((3000, 2000), (1248, 832)),
        ((8000, 6000), (1184, 896)),
        ((1024, 1024), (1024, 1024)),
        ((384, 384), (1024, 1024)),
        ((2000, 3000), (832, 1248)),
    ],
)
def test_predicted_sizes_are_those_that_were_seen(
    source: tuple[int, int],
    result: tuple[int, int],
) -> None:
    assert predicted_size(*source) == result


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_predicted_sizes_are_of_the_services_grid(width: int, height: int) -> None:
    predicted = predicted_size(width, height)
    assert all(side >= 32 and side % 32 == 0 for side in predicted)
    if 1 / 4 <= width / height <= 4:
        assert predicted[0] * predicted[1] == pytest.approx(RESULT_PIXELS, rel=0.06)
        assert predicted[0] / predicted[1] == pytest.approx(width / height, rel=0.07)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_on_their_side_are_turned_upright(orientation: int) -> None:
    upright = picture(400, 300, orientation=orientation).upright
    assert upright == ((300, 400) if orientation >= 5 else (400, 300))


@given(st.sampled_from(Format), st.binary(max_size=50))
def test_data_uris_are_as_long_as_foretold(form: Format, content: bytes) -> None:
    uri = f"data:{form};base64,{base64.b64encode(content).decode()}"
    assert data_uri_bytes(form, len(content)) == len(uri)


def test_pictures_are_warned_of_what_the_service_does_not_advise() -> None:
    assert picture_warnings(picture(384, 3072)) == ()
    assert "383×500" in picture_warnings(picture(383, 500))[0]
    assert "500×3073" in picture_warnings(picture(3073, 500, orientation=6))[0]
    assert "alpha" in picture_warnings(picture(500, 500, alpha=True))[0]


def test_texts_are_warned_of_only_where_the_service_cuts_them() -> None:
    assert text_warnings("i" * 800, "n" * 500) == ()
    assert "801 characters" in text_warnings("i" * 801, "")[0]
    assert "501 characters" in text_warnings("", "n" * 501)[0]
