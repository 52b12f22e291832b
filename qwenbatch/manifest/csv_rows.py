"""Rows of a CSV manifest."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.items import BadRow, Fault, Row
from qwenbatch.errors import ManifestError
from qwenbatch.manifest.csv_header import Header, parse_header
from qwenbatch.manifest.fields import COLUMNS, MAX_TAKE, Stated, judge, quote, take_fault
from qwenbatch.manifest.formula_guard import unguarded
from qwenbatch.manifest.lines import MAX_LINE_BYTES, Lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qwenbatch.core.items import RowDefaults

MAX_CELL_CHARACTERS = 1024 * 1024
_MAX_HEADER_BYTES = 64 * 1024
"""How far a quote in the header is followed over line ends."""

_WATERMARKS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SURROGATES = re.compile(r"[\ud800-\udfff]+")
_is_take = re.compile(r"0*[1-9][0-9]{0,6}").fullmatch


class _TooLongError(Exception):
    """A line, or a row of many lines, beyond `MAX_LINE_BYTES`; caught in this file."""


class _Texts:
    """The lines of a CSV file as texts, and what was seen on the way since the last reset."""

    def __init__(self, lines: Lines) -> None:
        self._next = lines.next
        self.lines = lines
        self.reset()

    def reset(self) -> None:
        """Forget the row before."""
        self._bytes = 0
        self.quotes = 0
        self.apostrophe = False
        self.undecodable = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._next()
        if not raw:
            if raw is None:
                raise _TooLongError
            raise StopIteration
        self._bytes += len(raw)
        if self._bytes > MAX_LINE_BYTES:
            raise _TooLongError
        if b"'" in raw:
            self.apostrophe = True
        if b'"' in raw:
            self.quotes += raw.count(b'"')
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.undecodable = True
            return raw.decode(errors="surrogateescape")


def csv_header(lines: Lines, *, file: str, instruction_given: bool) -> Header:
    """The header of a file that stands at its start; blank lines before it are passed over.

    Raises `ManifestError` where there is none.
    """
    advice = "The first line names the columns: image,instruction"
    raw: bytes | None = b"\n"
    while raw is not None and raw and not raw.strip():
        raw = lines.next()
    while raw and raw.count(b'"') % 2 and len(raw) < _MAX_HEADER_BYTES:
        more = lines.next()
        if not more:
            break
        raw += more
    if raw is None:
        raise ManifestError(f"{file}: its first line is too long for a header", advice)
    if not raw:
        raise ManifestError(f"{file} is empty: it has no header", advice)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ManifestError(f"{file} is not UTF-8", "Save it as CSV UTF-8") from None
    return parse_header(text, file=file, instruction_given=instruction_given)


def csv_rows(path: Path, base: str, defaults: RowDefaults) -> Iterator[Row | BadRow]:
    """The rows of a CSV file, in its order; raises `ManifestError` where there is no header."""
    csv.field_size_limit(MAX_CELL_CHARACTERS)  # the module keeps one limit, for the whole process
    with Lines(path) as lines:
        header = csv_header(
            lines, file=str(path), instruction_given=defaults.instruction is not None
        )
        texts = _Texts(lines)
        number = 0
        for line, record in _records(texts, header.separator):
            number += 1
            if not isinstance(record, list):
                yield BadRow(number=number, line=line, faults=(record,))
                continue
            faults = _cell_faults(record, header) if texts.undecodable else ()
            if texts.apostrophe:
                record[:] = [unguarded(cell) for cell in record]
            ragged = _ragged(record, header)
            if ragged:
                faults = (ragged,)
                record[:] = (record + [""] * header.width)[: header.width]
            row = judge(
                _stated(record, header, number=number, line=line, faults=faults),
                base=base,
                defaults=defaults,
            )
            if faults and isinstance(row, BadRow):
                row = msgspec.structs.replace(row, faults=faults)
            yield row


def _records(texts: _Texts, separator: str) -> Iterator[tuple[int, list[str] | Fault]]:
    """Each record with the line on which it begins; blank ones are left out."""
    reader = csv.reader(texts, delimiter=separator, strict=True)
    lines = texts.lines
    while True:
        texts.reset()
        first = lines.line + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            fault = _record_fault(str(error), first, lines.line)
            lost = "field larger" in str(error) and (lines.line > first or texts.quotes % 2 == 1)
        except _TooLongError:
            fault = _record_fault("too long", first, lines.line)
            lost = lines.line > first
        else:
            if record is None:
                return
            if any(record):
                yield first, record
            continue
        if lost:
            # A quote may stand open: what follows could be the inside of a cell, and would be
            # paid for as if it were rows.
            yield (
                first,
                msgspec.structs.replace(
                    fault, reason=fault.reason + "; what follows it is not read"
                ),
            )
            return
        yield first, fault


def _record_fault(error: str, first: int, last: int) -> Fault:
    """The fault that the csv module's words mean."""
    span = f" (lines {first:,} to {last:,})" if last > first else ""
    if "unexpected end" in error:
        return Fault(
            reason=f'a quote (") that opens here is never closed{span}',
            advice="close it; write a quote inside a cell twice",
        )
    if "field larger" in error:
        return Fault(
            reason=f"a cell is longer than {MAX_CELL_CHARACTERS:,} characters{span}",
            advice="look for a quote that is not closed",
        )
    if "too long" in error:
        return Fault(
            reason=f"the row is longer than {MAX_LINE_BYTES:,} bytes{span}", advice="shorten it"
        )
    if "expected after" in error:
        return Fault(
            reason=f"a quoted cell goes on behind its closing quote{span}",
            advice="write a quote inside a cell twice",
        )
    if "new-line" in error:
        return Fault(
            reason=f"a carriage return stands in a cell without quotes{span}",
            advice="save the file with LF ends",
        )
    return Fault(reason=f"not CSV: {error}{span}")


def _ragged(record: list[str], header: Header) -> Fault | None:
    """Why a record does not fit its header, if it does not."""
    if len(record) == header.width:
        if not header.unnamed or not any(record[index] for index in header.unnamed):
            return None
        return Fault(
            reason="there is text in a column without a name",
            advice=f"name the column, or quote a cell that holds {_named(header.separator)}",
        )
    kind = "many" if len(record) > header.width else "few"
    return Fault(
        reason=f"too {kind} cells: {len(record)}, where the header names {header.width} columns",
        advice=f"quote a cell that holds {_named(header.separator)}",
    )


def _named(separator: str) -> str:
    return {",": "a comma", ";": "a semicolon"}.get(separator, "a tab")


def _cell_faults(record: list[str], header: Header) -> tuple[Fault, ...]:
    """The faults of cells that are not UTF-8; what cannot be read in them becomes U+FFFD."""
    names = dict(header.extras)
    names.update(zip(header.ours, COLUMNS, strict=True))
    faults: tuple[Fault, ...] = ()
    for index, cell in enumerate(record):
        if _SURROGATES.search(cell):
            faults += (
                Fault(
                    reason="the text is not UTF-8",
                    column=names.get(index),
                    advice="save the file as CSV UTF-8",
                ),
            )
            record[index] = _SURROGATES.sub("\ufffd", cell)
    return faults


def _stated(
    record: list[str], header: Header, *, number: int, line: int, faults: tuple[Fault, ...]
) -> Stated:
    """What a record of the header's width says."""
    record.append("")  # where the header has no such column, its index is -1: this cell
    image, instruction, output, negative_prompt, watermark, take, id_ = header.ours
    extra = b"{}"
    if header.extras:
        others = {name: record[index] for index, name in header.extras if record[index]}
        extra = msgspec.json.encode(others)
    stated = Stated(
        number=number,
        line=line,
        image=record[image],
        instruction=record[instruction],
        negative_prompt=record[negative_prompt] or None,
        output=record[output] or None,
        id=record[id_] or None,
        extra=extra,
        faults=faults,
    )
    if record[watermark]:
        _state_watermark(stated, record[watermark])
    if record[take]:
        _state_take(stated, record[take])
    return stated


def _state_watermark(stated: Stated, text: str) -> None:
    stated.watermark = _WATERMARKS.get(text.strip().lower())
    if stated.watermark is None and text.strip():
        stated.faults += (
            Fault(reason=f"watermark must be true or false, not {quote(text)}", column="watermark"),
        )


def _state_take(stated: Stated, text: str) -> None:
    shown = text.strip()
    if _is_take(shown) and int(shown) <= MAX_TAKE:
        stated.take = int(shown)
    elif shown:
        stated.faults += (take_fault(quote(text)),)
