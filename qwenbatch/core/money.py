"""Money: whole micro-dollars, so that a million additions lose nothing."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import NewType

MicroUSD = NewType("MicroUSD", int)
"""A millionth of a US dollar; every price, total and cap is counted in it."""

NOTHING = MicroUSD(0)

DEFAULT_PRICE = MicroUSD(55_000)
"""$0.055 a picture, as the service's page says; another page of it says $0.045: so, a setting."""

_MICRO = 1_000_000
_MOST = Decimal(1_000_000_000)
_AMOUNT = re.compile(r"\$?([1-9]\d{0,2}(,\d{3})+|\d+)(\.\d+)?", re.ASCII)


def parse_usd(text: str) -> MicroUSD:
    """`0.055` or `$1,204.50` as micro-dollars; ValueError if it is no amount from 0 up.

    A comma stands between thousands only: a decimal comma would multiply the money.
    """
    written = text.strip()
    if not _AMOUNT.fullmatch(written):
        comma = ", and commas only between thousands" if "," in written else ""
        raise ValueError(f"{text!r} is no amount in US dollars: write 10.50{comma}")
    amount = Decimal(written.removeprefix("$").replace(",", ""))
    if amount > _MOST:
        raise ValueError(f"{text!r} is no amount from 0 to a thousand million US dollars")
    return MicroUSD(int((amount * _MICRO).to_integral_value(ROUND_HALF_UP)))


def usd(amount: MicroUSD) -> float:
    """Dollars for JSON; exact to the micro-dollar when written with six decimals."""
    return round(amount / _MICRO, 6)


def dollars(amount: MicroUSD) -> str:
    """Dollars for people: `$66.22`; three decimals or more only where cents would lie."""
    exact = Decimal(amount) / _MICRO
    cents = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    if cents == exact:
        return f"${cents:,}"
    return f"${exact.normalize():,f}"
