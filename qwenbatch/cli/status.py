"""`qwenbatch status`: how a ledger stands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from qwenbatch.cli.places import place
from qwenbatch.errors import UsageError

OutFolder = Annotated[
    str,
    typer.Argument(
        metavar="OUT",
        help="The folder, or s3://bucket/…, that was given to run with -o.",
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
    since: Annotated[
        str | None,
        typer.Option(
            help="Tell first what happened since then, in local days: yesterday, today, a date"
            " such as 2026-11-21, or 24h, 7d.",
            metavar="WHEN",
            show_default=False,
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object."),
    ] = False,
    ledger: LedgerPath = None,
) -> None:
    """Say how many items stand how, what was spent, what may have been, and how runs ended.

    It takes no lock, needs no key, and works while a run is going on.

    Example: qwenbatch status out/shop

    Example: qwenbatch status out/nightly --since yesterday
    """
    from qwenbatch.wiring.looking import tell_status  # noqa: PLC0415 - start-up

    moment = None if since is None else _moment(since)
    tell_status(place(out), ledger=ledger, to=sys.stdout, as_json=json, since=moment)


def _moment(text: str) -> float:
    from qwenbatch.cli import parsing  # noqa: PLC0415 - start-up
    from qwenbatch.wiring.clock import local_now  # noqa: PLC0415 - start-up

    try:
        return parsing.since(text, local_now())
    except ValueError as error:
        raise UsageError(f"--since: {error}", "see `qwenbatch status --help`") from None
