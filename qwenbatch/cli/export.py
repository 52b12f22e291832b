"""`qwenbatch export`: what became of every item, or a manifest of those in one state."""

from __future__ import annotations

import io
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwenbatch.cli.places import place
from qwenbatch.cli.status import LedgerPath, OutFolder
from qwenbatch.core.outcomes import ItemState
from qwenbatch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from qwenbatch.wiring.exporting import ExportForm

_EXTENSIONS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_STDOUT = Path("-")


def export(
    out: OutFolder,
    *,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, jsonl or parquet. Default: by FILE's extension, otherwise csv.",
            metavar="csv|jsonl|parquet",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="Write a manifest, which run takes, of the items that are so: "
            + ", ".join(ItemState)
            + ".",
            metavar="STATE",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            "-O",
            help="The file to write. Default: standard output.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    ledger: LedgerPath = None,
) -> None:
    """Write what became of every item: state, reason, result, cost. With --state, a manifest.

    It takes no lock, needs no key, and works while a run is going on.

    Example: qwenbatch export out/shop -O shop.csv

    Example: qwenbatch export out/shop --state failed -O again.csv
    """
    from qwenbatch.wiring import exporting  # noqa: PLC0415 - start-up

    file = None if to == _STDOUT else to
    wanted = None if state is None else _item_state(state)
    written = _form(form, file)
    if written is exporting.ExportForm.PARQUET:
        _refuse_parquet(file, wanted)
    if file is None:
        to_shell = _stdout()
        exporting.export_to_stream(
            place(out), ledger=ledger, form=written, state=wanted, to=to_shell
        )
    else:
        exporting.export_to_file(place(out), ledger=ledger, form=written, state=wanted, path=file)


def _item_state(text: str) -> ItemState:
    try:
        return ItemState(text.strip().lower())
    except ValueError:
        raise _unknown("--state", text, list(ItemState)) from None


def _form(text: str | None, file: Path | None) -> ExportForm:
    from qwenbatch.wiring.exporting import ExportForm  # noqa: PLC0415 - start-up

    if text is None and file is not None:
        try:
            return ExportForm(_EXTENSIONS[file.suffix.lower()])
        except KeyError:
            raise UsageError(
                f"--to: the name {file.name!r} does not tell whether CSV, JSONL or Parquet is"
                " wanted",
                "let it end in .csv, .jsonl or .parquet, or add --format",
            ) from None
    try:
        return ExportForm.CSV if text is None else ExportForm(text.strip().lower())
    except ValueError:
        raise _unknown("--format", text or "", list(ExportForm)) from None


def _refuse_parquet(file: Path | None, state: ItemState | None) -> None:
    """UsageError where Parquet cannot be what is wanted."""
    if state is not None:
        raise UsageError(
            "--state writes a manifest, and run takes none that is Parquet",
            "write CSV or JSONL: --format csv",
        )
    if file is None:
        raise UsageError("Parquet is no text to print", "name a file: --to items.parquet")


def _unknown(option: str, text: str, known: Sequence[str]) -> UsageError:
    near = get_close_matches(text.lower(), known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
    return UsageError(f"{option}: {text!r} is not known", hint)


def _stdout() -> TextIO:
    """Standard output as a manifest's reader wants it: UTF-8, its line ends as they are written."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    return sys.stdout
