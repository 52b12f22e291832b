"""What kind of manifest a file is, by its name and its first bytes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from qwenbatch.errors import ManifestError
from qwenbatch.manifest.lines import BOM, unreadable
from qwenbatch.manifest.picture_names import is_picture_head

if TYPE_CHECKING:
    from pathlib import Path

KINDS = "A manifest is a .csv or .tsv file, a .jsonl or .ndjson file, or a folder"
_HEAD_BYTES = 4096
_SAVE_AS_CSV = "Save it as CSV UTF-8"
_STRANGERS = (
    (b"\xff\xfe", "is UTF-16", "Save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16", "Save it as UTF-8"),
    (b"\0\0\xfe\xff", "is UTF-32", "Save it as UTF-8"),
    (b"PK\x03\x04", "is a ZIP archive or an Excel workbook", _SAVE_AS_CSV),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook", _SAVE_AS_CSV),
    (b"PAR1", "is a Parquet file", _SAVE_AS_CSV),
    (b"SQLite format 3\0", "is an SQLite database", _SAVE_AS_CSV),
    (b"%PDF", "is a PDF", KINDS),
    (b"\x1f\x8b", "is compressed with gzip", "Unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "Unpack it first"),
)


class ManifestKind(StrEnum):
    """The kinds of manifest, as a person would name them."""

    CSV = "CSV"
    JSONL = "JSONL"
    FOLDER = "folder"


def file_kind(path: Path) -> ManifestKind:
    """The kind of a file: by its extension, else JSONL where it begins with `{`, else CSV.

    Raises `ManifestError` for a file that cannot be read, or whose name or first bytes show it
    to be something else.
    """
    extension = path.suffix.lower()
    if extension == ".toml":
        raise ManifestError(f"{path} is a job file, not a manifest", KINDS)
    if not path.is_file():
        raise ManifestError(f"{path} is not a regular file", "Save it to a file first")
    head = _head(path)
    _refuse_stranger(path, head)
    text = head.removeprefix(BOM).lstrip()
    if extension in {".csv", ".tsv"}:
        return ManifestKind.CSV
    if extension in {".jsonl", ".ndjson"} or text.startswith(b"{"):
        return ManifestKind.JSONL
    if text.startswith(b"["):
        raise ManifestError(
            f"{path} is a JSON list, not JSONL",
            "Write one object a line: jq -c '.[]' FILE > FILE.jsonl",
        )
    return ManifestKind.CSV


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error


def _refuse_stranger(path: Path, head: bytes) -> None:
    for magic, what, advice in _STRANGERS:
        if head.startswith(magic):
            raise ManifestError(f"{path} {what}, not a manifest", advice)
    if is_picture_head(head):
        raise ManifestError(f"{path} is a picture, not a manifest", "Give the folder it lies in")
    # Further down a NUL is the fault of its row; text in UTF-16 shows on its first line already.
    if b"\0" in head.lstrip().partition(b"\n")[0]:
        raise ManifestError(f"{path} is a binary file, or UTF-16", "Save it as UTF-8 text")
