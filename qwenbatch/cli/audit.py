"""`qwenbatch audit`: ledger against disk, days against the invoice."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from qwenbatch.cli.places import place
from qwenbatch.cli.status import LedgerPath, OutFolder


def audit(
    out: OutFolder,
    *,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object."),
    ] = False,
    ledger: LedgerPath = None,
) -> None:
    """Hold the ledger against the results on disk, against itself, and by days for the invoice.

    It takes no lock, needs no key and changes nothing. With findings it exits with 3.

    Example: qwenbatch audit out/shop
    """
    from qwenbatch.wiring.auditing import tell_findings  # noqa: PLC0415 - start-up

    raise typer.Exit(tell_findings(place(out), ledger=ledger, to=sys.stdout, as_json=json))
