"""`qwenbatch schedule`: a job that starts every day by itself."""

from __future__ import annotations

import sys
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qwenbatch.cli.told import Told


def schedule(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A job file (.toml) that names a cap: budget or max-cost.",
            show_default=False,
        ),
    ],
    *,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="HH:MM",
            help="The local time at which it starts, every day.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="HH:MM",
            help="The local time by which it is done. A start outside these hours, because the"
            " machine was off, sends nothing.",
            show_default=False,
        ),
    ] = None,
    cron: Annotated[
        bool,
        typer.Option("--cron", help="A crontab line in place of systemd's service and timer."),
    ] = False,
    install: Annotated[
        bool,
        typer.Option("--install", help="Install it for this user, and do not only print it."),
    ] = False,
) -> None:
    """Print a systemd service and timer that run a job file every day, or a crontab line.

    Examples:
    qwenbatch schedule jobs/nightly.toml --at 02:00 --until 06:00
    qwenbatch schedule jobs/nightly.toml --at 02:00 --until 06:00 --install
    qwenbatch schedule jobs/nightly.toml --at 02:00 --cron
    """
    from qwenbatch.cli.settings import run_settings  # noqa: PLC0415 - start-up
    from qwenbatch.cli.told import tell  # noqa: PLC0415 - start-up
    from qwenbatch.errors import UsageError  # noqa: PLC0415 - start-up
    from qwenbatch.wiring import scheduling  # noqa: PLC0415 - start-up
    from qwenbatch.wiring.printed import printed  # noqa: PLC0415 - start-up

    if not source.lower().endswith(".toml"):
        raise UsageError(
            f"{source} is no job file, and a schedule needs all that a run is told in one place",
            f'write a file such as nightly.toml: source = "{source}", out = "…", budget = "5/day"',
        )
    # What this shell's environment says will not be there at night.
    told = tell(source, {}, environment={})
    starts = _time(at, told, "at")
    if starts is None:
        raise UsageError("--at is missing: when is it to start?", "say --at 02:00, for example")
    kept = (told.options.log_file, told.options.metrics)
    job = scheduling.scheduled_job(
        Path(source),
        run_settings(told),
        at=starts,
        until=_time(until, told, "until"),
        also_writes=tuple(file.absolute().parent for file in kept if file is not None),
    )
    match install, cron:
        case True, True:
            said = scheduling.install_cron(job)
        case True, False:
            said = scheduling.install_units(job)
        case False, True:
            said = scheduling.cron_text(job)
        case _:
            said = scheduling.units_text(job)
    with printed(sys.stdout):
        sys.stdout.write(said.rstrip("\n") + "\n")


def _time(typed: str | None, told: Told, name: str) -> time | None:
    """A time of day: as typed, else as the job file says it; the job file's was read already."""
    from qwenbatch.cli.told import tell_one  # noqa: PLC0415 - start-up

    if typed is None:
        typed = next((row.value for row in told.settings if row.name == name), "")
    elif tell_one(name, typed) is None:
        return None
    if not typed:
        return None
    hour, minute = typed.strip().split(":")
    return time(int(hour), int(minute))
