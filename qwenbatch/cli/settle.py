"""`qwenbatch settle`: ends uncertainty by the invoice."""

from __future__ import annotations

import re
import sys
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from qwenbatch.cli.places import place
from qwenbatch.cli.status import LedgerPath, OutFolder
from qwenbatch.core.settling import Chosen, Ruling
from qwenbatch.errors import UsageError


def settle(
    out: OutFolder,
    *,
    ruling: Annotated[
        Ruling,
        typer.Option(
            "--as",
            help="What the invoice says of these attempts.",
            metavar="paid|unpaid",
            show_default=False,
        ),
    ],
    edit: Annotated[
        str | None,
        typer.Option(
            help="Only attempts of the edit whose key begins so: at least 8 hexadecimal digits.",
            metavar="KEY",
            show_default=False,
        ),
    ] = None,
    day: Annotated[
        str | None,
        typer.Option(
            help="Only attempts sent on this UTC day, as `qwenbatch audit` counts them.",
            metavar="YYYY-MM-DD",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be done, and do nothing."),
    ] = False,
    ledger: LedgerPath = None,
) -> None:
    """End the uncertainty of attempts by the invoice: all of them, or those of an edit or a day.

    paid: the money counts as spent; an edit without a result is lost, never sent again unasked.
    unpaid: the money counts no longer; an edit that nobody was billed for is pending again.

    Example: qwenbatch settle out/shop --as paid --day 2026-11-21
    """
    from qwenbatch.wiring.settling import settle_ledger  # noqa: PLC0415 - start-up

    settle_ledger(
        place(out),
        ruling,
        Chosen(edit=_digits(edit), day=_day(day)),
        ledger=ledger,
        dry_run=dry_run,
        to=sys.stdout,
    )


def _digits(text: str | None) -> str | None:
    if text is None:
        return None
    digits = text.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{8,64}", digits):
        raise UsageError(
            f"--edit: {text!r} is no edit's key",
            "give all 64 hexadecimal digits of it, or at least the first 8",
        )
    return digits


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise UsageError(f"--day: {text!r} is no day", "write it as 2026-11-21") from None
