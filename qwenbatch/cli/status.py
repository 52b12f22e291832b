"""`qwenbatch status`: how a ledger stands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

OutFolder = Annotated[
    Path,
    typer.Argument(
        metavar="OUT",
        help="The folder that was given to run with -o.",
        show_default=False,
    ),
]
LedgerPath = Annotated[
    Path | None,
    typer.Option(
        "--ledger",
        envvar="QWENBATCH_LEDGER",
        help="Where the ledger lies, if OUT does not know.",
        metavar="PATH",
        show_default=False,
    ),
]


def status(
    out: OutFolder,
    *,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object."),
    ] = False,
    ledger: LedgerPath = None,
) -> None:
    """Say how many items stand how, what was spent, what may have been, and how runs ended.

    It takes no lock, needs no key, and works while a run is going on.

    Example: qwenbatch status out/shop
    """
    from qwenbatch.wiring.looking import tell_status  # noqa: PLC0415 - start-up

    tell_status(out, ledger=ledger, to=sys.stdout, as_json=json)
