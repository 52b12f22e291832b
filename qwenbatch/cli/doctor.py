"""`qwenbatch doctor`: what could go wrong on this machine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from qwenbatch.cli.options import written
from qwenbatch.cli.places import place
from qwenbatch.cli.status import LedgerPath
from qwenbatch.errors import UsageError


def doctor(
    *,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            envvar="QWENBATCH_OUT",
            help="Where results would go: its disk and its ledger are looked at.",
            show_default=False,
        ),
    ] = None,
    service: Annotated[str | None, written("service")] = None,
    gateway: Annotated[str | None, written("gateway")] = None,
    concurrency: Annotated[str | None, written("concurrency")] = None,
    ledger: LedgerPath = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object."),
    ] = False,
    repair: Annotated[
        str | None,
        typer.Option(
            metavar="OUT",
            help="Put the damaged ledger of this folder aside, and build another from what can"
            " be read of it and of the results.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Look at Python, SQLite, Pillow, clock, limits, key, gateway, disk and ledger.

    Each line says ok, or what to do; then it exits with 3. The gateway is connected to, and
    asked for nothing: that is free of charge.

    Examples:
    qwenbatch doctor -o out/shop
    qwenbatch doctor --repair out/shop
    """
    if repair is not None:
        if json or out is not None or gateway is not None:
            raise UsageError(
                "--repair goes with --ledger and --service at the most",
                "say `qwenbatch doctor --repair OUT`, then look again",
            )
        from qwenbatch.cli.told import tell_one  # noqa: PLC0415 - start-up
        from qwenbatch.wiring.repairing import repair_ledger  # noqa: PLC0415 - start-up

        raise typer.Exit(
            repair_ledger(
                place(repair),
                ledger=ledger,
                service=tell_one("service", service),
                to=sys.stdout,
            )
        )
    from qwenbatch.cli.told import tell_one  # noqa: PLC0415 - start-up
    from qwenbatch.wiring.doctor import Patient, tell_doctor  # noqa: PLC0415 - start-up

    patient = Patient(
        service=tell_one("service", service),
        gateway=tell_one("gateway", gateway),
        out=None if out is None else place(out),
        ledger=ledger,
        concurrency=tell_one("concurrency", concurrency),
    )
    raise typer.Exit(tell_doctor(patient, to=sys.stdout, as_json=json))
