"""The forms that an option's value can have: how it is written, read and shown."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from qwenbatch.cli import parsing
from qwenbatch.core.budget import parse_budget
from qwenbatch.core.money import dollars, parse_usd
from qwenbatch.core.paths import parse_template
from qwenbatch.core.verdicts import Kind
from qwenbatch.wiring.clock import local_now
from qwenbatch.wiring.places import place_of

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Wants(StrEnum):
    """What a job file writes for a value, as its errors name it."""

    STRING = "a string"
    PATH = "a path, as a string"
    WHOLE = "a whole number"
    NUMBER = "a number"
    FLAG = "true or false"
    STRINGS = "a string or a list of strings"


class Form(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One form. Every source of a value says it as text; `parse` raises ValueError, or UsageError.

    `example` is as a job file writes it; `choices` are offered by the shell's completion.
    """

    wants: Wants
    parse: Callable[[str], T]
    example: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    show: Callable[[Any], str] = str


def hidden(_: object) -> str:
    """A secret, as people are shown it."""
    return "***"


FLAG = Form(wants=Wants.FLAG, parse=parsing.flag, example="true", show=lambda on: str(on).lower())
TEXT = Form(wants=Wants.STRING, parse=str, example='"words"', metavar="TEXT")
FOLDER = Form(wants=Wants.PATH, parse=place_of, example='"../out/shop"', metavar="DIR")
FILE = Form(wants=Wants.PATH, parse=parsing.file, example='"../night.log"', metavar="FILE")
PRICE = Form(wants=Wants.NUMBER, parse=parsing.price, example="0.055", metavar="USD", show=dollars)
AMOUNT = Form(wants=Wants.NUMBER, parse=parse_usd, example="25", metavar="USD", show=dollars)
BUDGET = Form(
    wants=Wants.STRING, parse=parse_budget, example='"5/day"', metavar="USD/day|week|month"
)
TIME_OF_DAY = Form(
    wants=Wants.STRING,
    parse=lambda text: parsing.time_of_day(text, local_now()),
    example='"06:00"',
    metavar="HH:MM",
)
DURATION = Form(wants=Wants.STRING, parse=parsing.duration, example='"6h"', metavar="DURATION")
RATE = Form(
    wants=Wants.NUMBER,
    parse=parsing.number(10_000, "10,000 edits a second"),
    example="2.0",
    metavar="N",
    show="{:g}".format,
)
SECONDS = Form(
    wants=Wants.NUMBER,
    parse=parsing.number(3_600, "3,600 seconds"),
    example="300",
    metavar="S",
    show="{:g}".format,
)
ENDPOINT = Form(wants=Wants.STRING, parse=parsing.gateway, example='"https://…"', metavar="URL")
WATCHDOG = Form(
    wants=Wants.STRING, parse=parsing.watchdog, example='"https://…"', metavar="URL", show=hidden
)
TEMPLATE = Form(
    wants=Wants.STRING, parse=parse_template, example='"{dir}/{stem}-{take}"', metavar="TEMPLATE"
)
KINDS = Form(
    wants=Wants.STRINGS,
    parse=parsing.kinds,
    example='["moderated", "invalid"]',
    metavar="KIND",
    choices=tuple(Kind),
)


def whole(least: int, most: int) -> Form[int]:
    """A whole number from `least` to `most`."""
    return Form(
        wants=Wants.WHOLE, parse=parsing.whole(least, most), example=str(least), metavar="N"
    )


def choice(*words: str) -> Form[str]:
    """One of these words."""
    return Form(
        wants=Wants.STRING,
        parse=lambda text: parsing.one_of(text, words, "such choice as"),
        example=f'"{words[0]}"',
        metavar="|".join(words),
        choices=words,
    )
