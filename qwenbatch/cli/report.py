"""`qwenbatch report`: before and after, side by side, as a page."""

from __future__ import annotations

import json as json_
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from qwenbatch.cli.places import place
from qwenbatch.cli.status import LedgerPath, OutFolder

if TYPE_CHECKING:
    from qwenbatch.wiring.reporting import ReportMade


def report(
    out: OutFolder,
    *,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object: where the report is, and counts."),
    ] = False,
    ledger: LedgerPath = None,
) -> None:
    """Write OUT/report.html: every item before and after, side by side, with all that is known.

    It opens from the disk. To mail it, send report.html together with the folder report_files.
    Pictures are copied for it once, small, and kept: the next report makes only new ones. It
    takes no lock, needs no key, and works while a run is going on.

    Example: qwenbatch report out/shop
    """
    from qwenbatch.wiring.printed import printed  # noqa: PLC0415 - start-up

    made = _made(out, ledger)
    with printed(sys.stdout):
        if json:
            sys.stdout.write(json_.dumps(made.to_json()) + "\n")
        else:
            sys.stdout.writelines(f"{line}\n" for line in _told(made))


def _made(out: OutFolder, ledger: LedgerPath) -> ReportMade:
    """The report, its progress shown where a person watches."""
    from rich.console import Console  # noqa: PLC0415 - start-up
    from rich.progress import Progress  # noqa: PLC0415 - start-up

    from qwenbatch.wiring.reporting import make_report  # noqa: PLC0415 - start-up

    console = Console(stderr=True)
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    with bar:
        task = bar.add_task("items", total=None)
        return make_report(
            place(out),
            ledger=ledger,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _told(made: ReportMade) -> list[str]:
    from qwenbatch.observe.amounts import number_of  # noqa: PLC0415 - start-up
    from qwenbatch.observe.plain_text import plain  # noqa: PLC0415 - start-up

    lines = [f"{number_of(made.shown, 'item')}, {number_of(made.made, 'picture')} newly copied"]
    if made.shown < made.items:
        left_out = number_of(made.items - made.shown, "item")
        lines.append(
            f"a page holds {made.shown:,}, those first that are not saved: {left_out} left out"
        )
    if made.missing:
        verb = "lacks" if made.missing == 1 else "lack"
        lines.append(f"{number_of(made.missing, 'item')} {verb} a picture: the report says why")
    lines.append(f"report: {plain(str(made.path), most=4096)}")
    return lines
