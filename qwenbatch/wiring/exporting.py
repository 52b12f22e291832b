"""Exports a ledger's items: their outcomes, or a manifest of those in one state."""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import closing, contextmanager
from enum import StrEnum
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pybase64

from qwenbatch.core.keys import edit_key
from qwenbatch.core.verdicts import Kind
from qwenbatch.errors import DiskError, ManifestError, PictureError, UsageError
from qwenbatch.imaging.sources import inline_bytes, open_file
from qwenbatch.ledger.outcomes import extra_names, has_inline, read_items
from qwenbatch.observe.words import KIND_WORDS
from qwenbatch.report.export import write_csv, write_jsonl
from qwenbatch.results.folders import flush_folder
from qwenbatch.wiring.looking import live_run, looked_at, permitted
from qwenbatch.wiring.outs import out_at
from qwenbatch.wiring.places import absolute, stores_here
from qwenbatch.wiring.printed import printed
from qwenbatch.wiring.report_objects import Objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    import apsw

    from qwenbatch.core.items import InlineSource
    from qwenbatch.core.outcomes import ItemState, Outcome
    from qwenbatch.ledger.outcomes import ItemRecord
    from qwenbatch.wiring.places import Place

_MOST_HEAD_BYTES = 256
"""A data URI's head, before its base64 text, is looked for in so many bytes."""

_head = re.compile(rb"data:[^;,\"]+;base64,\Z", re.IGNORECASE).search


class ExportForm(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def export_to_stream(
    out: Place,
    *,
    ledger: Path | None,
    form: ExportForm,
    state: ItemState | None,
    to: TextIO,
) -> None:
    """Write every item's outcome, or for a `state` a manifest of the items in it.

    `to` is standard output, as UTF-8 with `newline=""`. Raises LedgerError if there is no ledger,
    UsageError where CSV cannot hold a picture that stands in its manifest, ManifestError where
    such a picture is there no longer, DiskError where `to` cannot be written. Where nobody
    reads it any more it ends without a word.
    """
    with printed(to):
        _export(out, ledger, form, state, to)


def export_to_file(
    out: Place,
    *,
    ledger: Path | None,
    form: ExportForm,
    state: ItemState | None,
    path: Path,
) -> None:
    """Export to a file, which is there whole or not at all.

    Raises what `export_to_stream` raises, and UsageError for a path that must not be written, or
    where what writes Parquet is not installed.
    """
    _refuse_own(path, out, ledger)
    if form is ExportForm.PARQUET:
        _require_parquet()
    try:
        with written(path) as to:
            _export(out, ledger, form, state, to)
    except OSError as error:
        raise DiskError(
            f"{path} cannot be written: {error.strerror or error}",
            "free room, or name a file that you may write",
        ) from error


def _export(
    out: Place,
    ledger: Path | None,
    form: ExportForm,
    state: ItemState | None,
    to: TextIO,
) -> None:
    folder = absolute(out)
    with looked_at(folder, ledger) as db:
        manifest_only = state is not None
        running = live_run(db, folder, ledger) is not None
        outcomes = _outcomes(db, folder, state, running=running)
        match form:
            case ExportForm.CSV:
                if manifest_only:
                    _refuse_inline(db, folder, state, running=running)
                names = extra_names(db)
                write_csv(outcomes, to, extra_columns=names, manifest_only=manifest_only)
            case ExportForm.JSONL:
                write_jsonl(outcomes, to, manifest_only=manifest_only)
            case ExportForm.PARQUET:
                from qwenbatch.report.parquet import write_parquet  # noqa: PLC0415 - an extra

                write_parquet(outcomes, to.buffer, extra_columns=extra_names(db))
        to.flush()


def _require_parquet() -> None:
    """UsageError where the extra is not installed."""
    try:
        import_module("qwenbatch.report.parquet")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("pyarrow"):
            raise
        raise UsageError(
            "Parquet is written by pyarrow, which is not installed",
            "pip install 'qwenbatch[parquet]'",
        ) from None


def _outcomes(
    db: apsw.Connection,
    out: Place,
    state: ItemState | None,
    *,
    running: bool,
) -> Iterator[Outcome]:
    with closing(Objects(stores_here())) as objects:
        for item in read_items(db, out=out, state=state, running=running):
            yield _explained(item.outcome) if state is None else _as_row(item, objects)


def _explained(outcome: Outcome) -> Outcome:
    """The outcome with the kind's words where the gateway had none."""
    if outcome.reason or outcome.kind is None:
        return outcome
    return msgspec.structs.replace(outcome, reason=KIND_WORDS[Kind(outcome.kind)].means)


def _as_row(item: ItemRecord, objects: Objects) -> Outcome:
    """The item as a manifest that lies anywhere states it: its result keeps its path."""
    outcome = item.outcome
    return msgspec.structs.replace(
        outcome,
        output=outcome.output or item.path,
        image=outcome.image if item.inline is None else _data_uri(outcome, item.inline, objects),
    )


def _refuse_inline(
    db: apsw.Connection,
    out: Place,
    state: ItemState | None,
    *,
    running: bool,
) -> None:
    """UsageError if one of the items to be exported holds its picture itself."""
    if not has_inline(db):
        return
    for item in read_items(db, out=out, state=state, running=running):
        if item.inline is not None:
            raise UsageError(
                f"item {item.outcome.number} of {item.inline.manifest} holds its picture itself,"
                " as a data URI, and a CSV manifest cannot",
                "export to JSONL: --format jsonl",
            )


def _data_uri(outcome: Outcome, source: InlineSource, objects: Objects) -> str:
    """The picture of an item, read from its manifest again, and proved to be the same."""
    try:
        local = objects.local(source)
        with open_file(local.manifest) as file:
            start = max(0, source.offset - _MOST_HEAD_BYTES)
            before = os.pread(file.fileno(), source.offset - start, start)
            picture = inline_bytes(file, local)
    except (PictureError, OSError) as error:
        raise _changed(outcome, source) from error
    head = _head(before.replace(rb"\/", b"/"))
    if head is None or not _is_same(outcome, picture):
        raise _changed(outcome, source)
    return head.group().decode(errors="replace") + pybase64.b64encode(picture).decode()


def _is_same(outcome: Outcome, picture: bytes) -> bool:
    """Whether these bytes are the picture that the item was keyed by; a bad row has no key."""
    if outcome.key is None:
        return True
    key = edit_key(
        source=sha256(picture).hexdigest(),
        instruction=outcome.instruction,
        negative_prompt=outcome.negative_prompt,
        watermark=outcome.watermark,
        take=outcome.take,
    )
    return key.hex() == outcome.key


def _changed(outcome: Outcome, source: InlineSource) -> ManifestError:
    return ManifestError(
        f"the picture of item {outcome.number}, a data URI, is no longer where it was in"
        f" {source.manifest}",
        "bring that manifest back as it was, or run it again, then export",
    )


def _refuse_own(path: Path, out: Place, ledger: Path | None) -> None:
    """UsageError where the file would lie among what is ours, or could not be a file."""
    with permitted(out):
        at = out_at(absolute(out), ledger)
    own, kept = at.folders.own, at.location.file
    real = Path(os.path.realpath(path))
    if real.is_relative_to(os.path.realpath(own)) or real == Path(os.path.realpath(kept)):
        raise UsageError(
            f"{path} lies where the ledger does, which no export may overwrite",
            "name another file with --to",
        )
    if real.is_dir():
        raise UsageError(f"{path} is a folder", "name a file in it with --to")
    if not real.parent.is_dir():
        raise UsageError(f"there is no folder {real.parent}", "make it, or name another file")


@contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """A new text file that takes the path only once it is whole and flushed; pipes as they are."""
    real = Path(os.path.realpath(path))
    if real.exists() and not stat.S_ISREG(real.stat().st_mode):
        with real.open("w", encoding="utf-8", newline="") as pipe:
            yield pipe
        return
    fresh = real.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with fresh.open("x", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(real)
    finally:
        fresh.unlink(missing_ok=True)
    flush_folder(real.parent)
