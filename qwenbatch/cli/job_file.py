"""Job files: `jobs/nightly.toml` holds the source and any option by its own name, one a line."""

from __future__ import annotations

import os
import re
import tomllib
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from qwenbatch.cli.forms import FILE, Wants
from qwenbatch.cli.options import OPTIONS
from qwenbatch.core.store_url import is_store_url
from qwenbatch.errors import ManifestError, UsageError
from qwenbatch.manifest.missing import missing, refuse_missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import NoReturn

JOB_FILE = ".toml"
MOST_BYTES = 64 * 1024
"""A longer file is no job file."""

SOURCE = "source"
_KEYS = {"api-key", "apikey", "key", "subscription-key", "api-key-file", "token", "secret"}
_FORM = 'a line is OPTION = VALUE, such as out = "../out/shop", max-cost = 25 or strict = true'


class Entry(msgspec.Struct, frozen=True):
    """One key of a job file: its value as text, its line, and its value's column, from 1."""

    text: str
    line: int
    column: int


class JobFile(msgspec.Struct, frozen=True):
    """A job file that was read and holds nothing but options, each of the right type."""

    path: Path
    entries: Mapping[str, Entry]

    def where(self, entry: Entry) -> str:
        """`jobs/nightly.toml:3:8`."""
        return f"{self.path}:{entry.line}:{entry.column}"

    def path_of(self, entry: Entry) -> str:
        """An entry's path: relative to the job file's folder, `~` for one's home; a store's URL."""
        if is_store_url(entry.text):
            return entry.text
        try:
            return os.path.normpath(self.path.parent / Path(entry.text).expanduser())
        except RuntimeError as error:
            raise UsageError(f"{self.where(entry)}: {entry.text}: {error}") from error


class _Statement(msgspec.Struct, frozen=True):
    """One `key = value` as it stands in a file; lines and columns from 1."""

    key: str
    value: object
    line: int
    column: int
    value_column: int


def read_job_file(path: Path) -> JobFile:
    """The job file at a path; UsageError names file, line, column, and what to do."""
    text = _text(path)
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_toml(path, text, error) from None
    entries = {}
    for statement in _statements(text):
        entries[statement.key] = _entry(path, statement)
    if SOURCE not in entries:
        raise UsageError(
            f"{path}: it does not say what to edit",
            'add a line: source = "shop.csv" (a manifest or a folder, seen from the job file)',
        )
    job = JobFile(path, entries)
    source = entries[SOURCE]
    if source.text.lower().endswith(JOB_FILE):
        raise UsageError(
            f"{job.where(source)}: the source of a job cannot be another job file",
            "name a manifest or a folder",
        )
    try:
        if not is_store_url(source.text):
            refuse_missing(Path(job.path_of(source)))
    except ManifestError as error:
        raise UsageError(f"{job.where(source)}: {error.what}", error.advice) from None
    return job


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise missing(path.absolute()) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the job file {path} cannot be read: {reason}") from None
    if len(head) > MOST_BYTES:
        raise UsageError(f"{path} is longer than {MOST_BYTES:,} bytes: it is no job file")
    try:
        return head.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: it is not UTF-8", "save it as UTF-8") from None


def _no_toml(path: Path, text: str, error: Exception) -> UsageError:
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
    reason, line, column = found.groups() if found else ("a value is beyond all measure", "1", "1")
    if line is None:
        line, column = str(text.count("\n") + 1), "1"
    return UsageError(f"{path}:{line}:{column}: it is no TOML: {reason}", _FORM)


def _statements(text: str) -> Iterator[_Statement]:
    """The statements of a text that is TOML: lines are put together until they can be read.

    A statement ends with its line, and no part of one can be read alone; so each is read with the
    reader that read the whole, and what looks like a key within a long string is none.
    """
    pending, first = "", 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        pending, first = pending + line, first or number
        try:
            found = tomllib.loads(pending, parse_float=Decimal)
        except tomllib.TOMLDecodeError:
            continue
        for key, value in found.items():
            yield _placed(key, value, first, pending)
        pending, first = "", 0


def _placed(key: str, value: object, line: int, text: str) -> _Statement:
    blank = len(text) - len(text.lstrip(" \t"))
    name, _, rest = text.partition("=")
    value_column = len(name) + 2 + len(rest) - len(rest.lstrip(" \t"))
    return _Statement(key, value, line, blank + 1, value_column)


def _entry(path: Path, statement: _Statement) -> Entry:
    key, value = statement.key, statement.value
    row = OPTIONS.get(key)
    if key != SOURCE and (row is None or row.option.only_typed):
        _refuse_key(f"{path}:{statement.line}:{statement.column}", key, value)
    form = FILE if row is None else row.option.form
    text = _as_text(form.wants, value)
    if text is None:
        raise UsageError(
            f"{path}:{statement.line}:{statement.value_column}: {key} wants {form.wants},"
            f" and this is {_kind(value)}",
            f"write it as {key} = {form.example}",
        )
    return Entry(text, statement.line, statement.value_column)


def _refuse_key(where: str, key: str, value: object) -> NoReturn:
    """UsageError for a key that is no option, or not one for a job file."""
    plain = key.lower().replace("_", "-")
    if plain in OPTIONS and OPTIONS[plain].option.only_typed:
        raise UsageError(
            f"{where}: {key} has no place in a job file: it may pay again, so it is never standing",
            f"type --{plain} in the one run that is to do it",
        )
    if plain in _KEYS:
        raise UsageError(
            f"{where}: {key}: a key has no place in a job file, which is shared and backed up",
            "export QWENBATCH_API_KEY, or name its file in QWENBATCH_API_KEY_FILE; if it stood"
            " here for others to see, have the service give you a new one",
        )
    if isinstance(value, dict):
        raise UsageError(f"{where}: {key}: a job file has no sections", _FORM)
    near = get_close_matches(plain, [SOURCE, *OPTIONS], 1)
    hint = f"did you mean {near[0]}?" if near else "`qwenbatch run --help` names every option"
    raise UsageError(f"{where}: there is no option {key}", hint)


def _as_text(wants: Wants, value: Any) -> str | None:
    """A value as the option's text; None if it is of another type."""
    fits: dict[Wants, tuple[type, ...]] = {
        Wants.FLAG: (bool,),
        Wants.WHOLE: (int,),
        Wants.NUMBER: (int, Decimal),
        Wants.STRINGS: (str, list),
    }
    if type(value) not in fits.get(wants, (str,)):
        return None
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            return format(value, "f")
        case list():
            return ",".join(value) if all(isinstance(word, str) for word in value) else None
        case _:
            return str(value)


def _kind(value: object) -> str:
    """What TOML calls a value, as a person would say it."""
    names = {
        bool: "true or false",
        int: "a whole number",
        Decimal: "a number",
        str: "a string",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or a time")
