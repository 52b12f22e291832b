"""A CSV manifest's first row: which separator it shows, and what its columns mean."""

from __future__ import annotations

import csv
from difflib import get_close_matches

import msgspec

from qwenbatch.errors import ManifestError
from qwenbatch.manifest.column_names import RENAME, column_meant, folded, unknown_column
from qwenbatch.manifest.fields import COLUMNS, quote
from qwenbatch.manifest.formula_guard import unguarded

_SEPARATORS = (",", ";", "\t")
_NO_COLUMN = -1


class Header(msgspec.Struct, frozen=True):
    """Where each column stands.

    `ours` gives the index of each of `COLUMNS`, in their order, -1 where there is none; `extras`
    the travelling columns; `unnamed` those without a name, which must be empty in every row.
    """

    separator: str
    width: int
    ours: tuple[int, ...]
    extras: tuple[tuple[int, str], ...]
    unnamed: tuple[int, ...]


def parse_header(text: str, *, file: str, instruction_given: bool) -> Header:
    """The header that a manifest's first row states.

    A first column without a name travels as `column 1`, for some programs number their rows
    there. Raises `ManifestError` for a row that is no header, that lacks a column that must be,
    that has one twice, or that names one nearly like one of ours which it lacks.
    """
    separator, names = _split(text, file)
    meant = [folded(name) for name in names]
    if "image" not in meant:
        raise ManifestError(
            f'{file}: its first line names no column "image"',
            _near("image", meant) or "The first line names the columns: image,instruction",
        )
    if "instruction" not in meant and not instruction_given:
        raise ManifestError(
            f'{file}: there is no column "instruction", and no instruction for all',
            _near("instruction", meant) or "Add the column, or give --instruction",
        )
    extras: list[tuple[int, str]] = []
    unnamed: list[int] = []
    for index, name in enumerate(names):
        if not name.strip():
            if index:
                unnamed.append(index)
            else:
                extras.append((index, "column 1"))
        elif meant[index] not in COLUMNS:
            extras.append((index, name))
    _refuse_near_misses(extras, meant, file)
    _refuse_twice([name for name in meant if name in COLUMNS] + [n for _, n in extras], file)
    return Header(
        separator=separator,
        width=len(names),
        ours=tuple(meant.index(name) if name in meant else _NO_COLUMN for name in COLUMNS),
        extras=tuple(extras),
        unnamed=tuple(unnamed),
    )


def _split(text: str, file: str) -> tuple[str, list[str]]:
    """The separator under which the row names the most columns, `image` among them if any."""
    best: tuple[bool, int, str, list[str]] | None = None
    for separator in _SEPARATORS:
        try:
            names = next(csv.reader([text], delimiter=separator, strict=True), [])
        except csv.Error:
            continue
        names = [unguarded(name) for name in names]
        found = "image" in [folded(name) for name in names]
        if best is None or (found, len(names)) > best[:2]:
            best = (found, len(names), separator, names)
    if best is None and "\r" in text.rstrip("\r\n"):
        raise ManifestError(f"{file}: its lines end in carriage returns", "Save it with LF ends")
    if best is None:
        raise ManifestError(
            f"{file}: its first line is not CSV",
            "It names the columns, each once: image,instruction",
        )
    return best[2], best[3]


def _near(wanted: str, names: list[str]) -> str:
    close = get_close_matches(wanted, names, n=1, cutoff=0.7)
    return f'Rename the column "{close[0]}" to "{wanted}"' if close else ""


def _refuse_near_misses(extras: list[tuple[int, str]], meant: list[str], file: str) -> None:
    """Refuse a column that would travel where it was surely meant to be one of ours."""
    for _, name in extras:
        column = column_meant(name)
        if column is not None and column not in meant:
            raise ManifestError(f"{file}: {unknown_column(quote(name), column)}", RENAME)


def _refuse_twice(names: list[str], file: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ManifestError(
                f'{file}: its first line names the column "{name}" twice',
                "Remove or rename one of them",
            )
        seen.add(name)
