"""What holds for a row's fields, whichever kind of manifest it stands in."""

from __future__ import annotations

import re

import msgspec

from qwenbatch.core.items import BadRow, Fault, Row, RowDefaults, Source
from qwenbatch.core.paths import check_output
from qwenbatch.manifest.image_text import image_source

MAX_TEXT_CHARACTERS = 100_000
"""The longest instruction or negative prompt; the service cuts far shorter ones."""

MAX_ID_CHARACTERS = 1_000
MAX_TAKE = 1_000_000
COLUMNS = ("image", "instruction", "output", "negative_prompt", "watermark", "take", "id")
"""The columns of a manifest that mean something to us; all others travel."""

_QUOTED_CHARACTERS = 40
_SURROGATE = re.compile(r"[\ud800-\udfff]").search


class Stated(msgspec.Struct, kw_only=True, gc=False):
    """What a row says for itself, each field None where it says nothing.

    `source` and `mirror` are given where the reader made out the source itself; `faults` are
    those that it found; `incomplete` says that they tell already why image and instruction lack,
    and `mistaken` names the columns whose lack they tell of under another name.
    """

    number: int
    line: int
    image: str | None = None
    instruction: str | None = None
    negative_prompt: str | None = None
    watermark: bool | None = None
    take: int | None = None
    output: str | None = None
    id: str | None = None
    extra: bytes = b"{}"
    source: Source | None = None
    mirror: str = ""
    faults: tuple[Fault, ...] = ()
    incomplete: bool = False
    mistaken: tuple[str, ...] = ()


def judge(stated: Stated, *, base: str, defaults: RowDefaults) -> Row | BadRow:
    """The row with its defaults filled in, or all that is wrong with it.

    `base` is the manifest's folder, absolute and normalised.
    """
    faults = stated.faults
    source, mirror, output = stated.source, stated.mirror, stated.output
    if source is None and not (faults and _blamed(stated, "image")):
        found = image_source(stated.image or "", base)
        # Asked of the built-in type: isinstance of a Struct is an ABC's, and ten times slower.
        if isinstance(found, tuple):
            source, mirror = found
        else:
            faults += (found,)
    if output is not None:
        checked = check_output(output)
        if isinstance(checked, str):
            output = checked
        else:
            faults += (checked,)
    instruction = stated.instruction
    if not instruction or instruction.isspace():
        instruction = defaults.instruction or ""
    negative_prompt = stated.negative_prompt
    if negative_prompt is None:
        negative_prompt = defaults.negative_prompt
    watermark = defaults.watermark if stated.watermark is None else stated.watermark
    take = 1 if stated.take is None else stated.take
    faults += _text_faults(stated, instruction, negative_prompt)
    if source is None or faults:
        return BadRow(
            number=stated.number,
            line=stated.line,
            faults=faults,
            image=stated.image or "",
            source=source,
            instruction=instruction,
            negative_prompt=negative_prompt,
            watermark=watermark,
            take=take,
            output=output,
            id=stated.id,
            extra=stated.extra,
        )
    return Row(
        number=stated.number,
        line=stated.line,
        image=stated.image or "",
        source=source,
        mirror=mirror,
        instruction=instruction,
        negative_prompt=negative_prompt,
        watermark=watermark,
        take=take,
        output=output,
        id=stated.id,
        extra=stated.extra,
    )


def _text_faults(stated: Stated, instruction: str, negative_prompt: str) -> tuple[Fault, ...]:
    """What is wrong with a row's texts."""
    faults: tuple[Fault, ...] = ()
    if not instruction or instruction.isspace():
        if not (stated.faults and _blamed(stated, "instruction")):
            faults = (
                Fault(
                    reason="the instruction is empty",
                    column="instruction",
                    advice="write one, or give one for all with --instruction",
                ),
            )
    elif not _is_text(instruction, MAX_TEXT_CHARACTERS):
        faults = (_text_fault("instruction", MAX_TEXT_CHARACTERS),)
    if negative_prompt and not _is_text(negative_prompt, MAX_TEXT_CHARACTERS):
        faults += (_text_fault("negative_prompt", MAX_TEXT_CHARACTERS),)
    if stated.id and not _is_text(stated.id, MAX_ID_CHARACTERS):
        faults += (_text_fault("id", MAX_ID_CHARACTERS),)
    return faults


def _blamed(stated: Stated, column: str) -> bool:
    """Whether the reader has already said what is wrong with a column."""
    return (
        stated.incomplete
        or column in stated.mistaken
        or any(fault.column == column for fault in stated.faults)
    )


def _is_text(text: str, most: int) -> bool:
    return len(text) <= most and "\0" not in text and (text.isascii() or not _SURROGATE(text))


def _text_fault(column: str, most: int) -> Fault:
    return Fault(
        reason=f"{column} is longer than {most:,} characters, or holds NUL or half a character",
        column=column,
        advice="shorten or clean it",
    )


def take_fault(shown: str) -> Fault:
    """That a take is not one; `shown` is how the row wrote it."""
    return Fault(
        reason=f"take must be a whole number from 1 to {MAX_TAKE:,}, not {shown}",
        column="take",
    )


def quote(text: str) -> str:
    """A text in quotation marks, fit for one line of a terminal: cut, and without controls."""
    cut = text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "…"
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in cut)
    return f'"{shown}"'
