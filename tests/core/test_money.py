from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.money import DEFAULT_PRICE, MicroUSD, dollars, parse_usd, usd

AMOUNTS = st.integers(0, 10**15).map(MicroUSD)


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("0.055", 55_000),
        ("$66.22", 66_220_000),
        ("1,204", 1_204_000_000),
        (" 12 ", 12_000_000),
        ("0", 0),
        ("0.0000005", 1),
        ("0.0000004", 0),
        ("1,204.50", 1_204_500_000),
        ("1,204,000", 1_204_000_000_000),
        ("1000000000", 10**15),
    ],
)
def test_money_is_parsed(text: str, micro: int) -> None:
    assert parse_usd(text) == micro


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$",
        "x",
        "1.2.3",
        "-1",
        "-0.01",
        "nan",
        "inf",
        "-inf",
        "1000000000.01",
        "1e99",
        "5 USD",
        "10,50",
        "0,055",
        "1,0500",
        ",5",
        "1_0",
        "1e3",
        "+1",
        "$-1",
        "1,05.5",
        "٣",
    ],
)
def test_money_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no amount"):
        parse_usd(text)


def test_money_of_one_edit_is_the_price_of_the_services_page() -> None:
    assert parse_usd("0.055") == DEFAULT_PRICE


@given(AMOUNTS)
def test_money_for_people_reads_back_exactly(amount: MicroUSD) -> None:
    assert parse_usd(dollars(amount)) == amount


@given(AMOUNTS)
def test_money_in_json_reads_back_exactly(amount: MicroUSD) -> None:
    written = json.dumps(usd(amount))
    assert Decimal(written) * 1_000_000 == amount


@given(st.text(max_size=12))
def test_money_parsing_raises_nothing_but_value_errors(text: str) -> None:
    try:
        assert parse_usd(text) >= 0
    except ValueError as error:
        assert "is no amount" in str(error)  # noqa: PT017 - most texts are none, some are


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (66_220_000, "$66.22"),
        (0, "$0.00"),
        (55_000, "$0.055"),
        (1_204_500_000_000, "$1,204,500.00"),
        (1, "$0.000001"),
        (5_000_000, "$5.00"),
    ],
)
def test_money_for_people(micro: int, text: str) -> None:
    assert dollars(MicroUSD(micro)) == text
