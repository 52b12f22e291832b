"""A manifest in an object store: a file of which a copy is read, or a folder that is listed."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import msgspec

from qwenbatch.core.items import RowDefaults
from qwenbatch.core.paths import OWN_FOLDER
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.errors import ManifestError
from qwenbatch.manifest.csv_rows import csv_header, csv_rows
from qwenbatch.manifest.file_kind import ManifestKind, file_kind
from qwenbatch.manifest.jsonl_rows import jsonl_rows
from qwenbatch.manifest.lines import Lines
from qwenbatch.manifest.store_rows import StoreFolder, store_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.items import BadRow, Row

FILES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
"""What a manifest's name ends in; any other place in a store is a folder."""


class StoredManifest(msgspec.Struct, frozen=True):
    """A manifest file in a store. Each iteration reads its copy anew, as a stream.

    `path` is its URL; relative images are relative to the folder in which that lies. Iterating
    raises `ManifestError`, which names the URL.
    """

    kind: ManifestKind
    path: StoreUrl
    copy: Path
    defaults: RowDefaults
    limit: int | None

    @property
    def copies(self) -> dict[str, str]:
        """The local file that is read in place of the URL."""
        return {str(self.path): str(self.copy)}

    def __iter__(self) -> Iterator[Row | BadRow]:
        try:
            yield from islice(self._rows(), self.limit)
        except ManifestError as error:
            raise _named(error, self.copy, self.path) from error

    def _rows(self) -> Iterator[Row | BadRow]:
        base = str(self.path.parent)
        match self.kind:
            case ManifestKind.CSV:
                return csv_rows(self.copy, base, self.defaults)
            case ManifestKind.JSONL:
                return jsonl_rows(self.copy, base, self.defaults, name=str(self.path))
            case ManifestKind.FOLDER:
                raise AssertionError
            case _:
                assert_never(self.kind)


class StoredFolder(msgspec.Struct, frozen=True):
    """A folder in a store. Each iteration lists it anew. Raises what looking at it raises."""

    folder: StoreFolder
    defaults: RowDefaults
    out: StoreUrl | None
    limit: int | None

    @property
    def path(self) -> StoreUrl:
        """Its URL."""
        return self.folder.url

    @property
    def copies(self) -> dict[str, str]:
        """No copies are read in place of what is named."""
        return {}

    def __iter__(self) -> Iterator[Row | BadRow]:
        return islice(store_rows(self.folder, self.defaults, self.out), self.limit)


def open_copy(
    url: StoreUrl, copy: Path, *, defaults: RowDefaults, limit: int | None
) -> StoredManifest:
    """The manifest at a URL, of which `copy` is a local copy with a name of the same extension.

    Its header is read, its rows are not. Raises `ManifestError`.
    """
    try:
        kind = file_kind(copy)
        if kind is ManifestKind.CSV:
            with Lines(copy) as lines:
                given = defaults.instruction is not None
                csv_header(lines, file=str(copy), instruction_given=given)
    except ManifestError as error:
        raise _named(error, copy, url) from error
    return StoredManifest(kind, url, copy, defaults, limit)


def open_folder(
    folder: StoreFolder, *, defaults: RowDefaults, out: StoreUrl | None, limit: int | None
) -> StoredFolder:
    """A folder in a store; `ManifestError` without an instruction, or where results go into it."""
    if not (defaults.instruction or "").strip():
        raise ManifestError(
            f"{folder.url} is a folder, and there is no instruction for its pictures",
            "Give one with --instruction",
        )
    if out is not None and out.holds(folder.url):
        raise ManifestError(
            f"{folder.url} lies inside {out}, where the results go",
            "Give another folder with --out",
        )
    if folder.holds(f"{OWN_FOLDER}/"):
        raise ManifestError(
            f"{folder.url} holds the results of another run ({OWN_FOLDER})",
            "Copy the pictures that are to be edited again into a folder of their own",
        )
    return StoredFolder(folder, defaults, out, limit)


def _named(error: ManifestError, copy: Path, url: StoreUrl) -> ManifestError:
    """The same fault, told of the URL."""
    what, advice = (text.replace(str(copy), str(url)) for text in (error.what, error.advice))
    return ManifestError(what, advice)
