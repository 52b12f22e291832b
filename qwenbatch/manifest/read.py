"""A manifest, whichever kind it is of: the one entry to this room."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import msgspec

from qwenbatch.core.items import RowDefaults
from qwenbatch.core.paths import OWN_FOLDER
from qwenbatch.errors import ManifestError
from qwenbatch.manifest.csv_rows import csv_header, csv_rows
from qwenbatch.manifest.file_kind import ManifestKind, file_kind
from qwenbatch.manifest.folder_rows import folder_rows
from qwenbatch.manifest.jsonl_rows import jsonl_rows
from qwenbatch.manifest.lines import Lines
from qwenbatch.manifest.missing import refuse_missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.items import BadRow, Row


class Manifest(msgspec.Struct, frozen=True):
    """Where items come from. Each iteration reads it anew, from its start, as a stream.

    `path` and `base` are absolute; `base` is the folder that relative images are relative to.
    Iterating raises `ManifestError` where the manifest cannot be read on.
    """

    kind: ManifestKind
    path: Path
    base: Path
    defaults: RowDefaults
    out: Path | None
    limit: int | None

    @property
    def copies(self) -> dict[str, str]:
        """No copies are read in place of what is named."""
        return {}

    def __iter__(self) -> Iterator[Row | BadRow]:
        return islice(self._rows(), self.limit)

    def _rows(self) -> Iterator[Row | BadRow]:
        base = str(self.base)
        match self.kind:
            case ManifestKind.CSV:
                return csv_rows(self.path, base, self.defaults)
            case ManifestKind.JSONL:
                return jsonl_rows(self.path, base, self.defaults, name=str(self.path))
            case ManifestKind.FOLDER:
                return folder_rows(base, self.defaults, str(self.out) if self.out else None)
            case _:
                assert_never(self.kind)


def open_manifest(
    path: Path,
    *,
    defaults: RowDefaults,
    out: Path | None = None,
    limit: int | None = None,
) -> Manifest:
    """The manifest at a path; its header is read, its rows are not.

    The manifest ends after `limit` items, bad rows counted. `out` is left out of a folder's
    walk. Raises `ManifestError` for whatever makes the whole of it unreadable.
    """
    absolute = _absolute(path)
    refuse_missing(absolute)
    if absolute.is_dir():
        kind, base = ManifestKind.FOLDER, absolute
        _check_folder(absolute, defaults, out)
    else:
        kind, base = file_kind(absolute), absolute.parent
    if kind is ManifestKind.CSV:
        with Lines(absolute) as lines:
            given = defaults.instruction is not None
            csv_header(lines, file=str(absolute), instruction_given=given)
    resolved = _absolute(out) if out is not None else None
    return Manifest(kind, absolute, base, defaults, resolved, limit)


def _absolute(path: Path) -> Path:
    """The path, absolute and normalised lexically, if it can name anything at all."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links
    try:
        str(absolute).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(absolute).decode(errors="backslashreplace")
        raise ManifestError(f"{shown}: the path is not valid UTF-8", "Rename it") from None
    if "\0" in str(absolute):
        raise ManifestError("The manifest's path holds a NUL character", "Remove it")
    return absolute


def _check_folder(path: Path, defaults: RowDefaults, out: Path | None) -> None:
    """Refuse a folder without an instruction, and one that results go into."""
    if not (defaults.instruction or "").strip():
        raise ManifestError(
            f"{path} is a folder, and there is no instruction for its pictures",
            "Give one with --instruction",
        )
    real = path.resolve()
    if out is not None and real.is_relative_to(out.resolve()):
        raise ManifestError(
            f"{path} lies inside {out}, where the results go",
            "Give another folder with --out",
        )
    if (path / OWN_FOLDER).exists():
        raise ManifestError(
            f"{path} holds the results of another run ({OWN_FOLDER})",
            "Copy the pictures that are to be edited again into a folder of their own",
        )
