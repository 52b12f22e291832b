"""`qwenbatch check`: all that a run would find out before its first dollar."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from qwenbatch.cli.options import Source, takes_options

if TYPE_CHECKING:
    from typing import NoReturn

    from qwenbatch.cli.told import Told
    from qwenbatch.core.summary import Summary
    from qwenbatch.wiring.settings import RunSettings

MOST_SHOWN = 200
"""So much of a value is shown in the table of settings."""

COLUMN = 30
"""A longer value shifts its own line only, so that the table fits on 80 columns."""


@takes_options(of_run=False)
def check(source: Source, **given: Any) -> None:
    """Say what a run would do and cost, and what is wrong: nothing is sent, nothing written.

    It takes every option of run; those that make no difference to it are not listed here.

    Examples:
    qwenbatch check shop.csv -o out/shop
    qwenbatch check jobs/nightly.toml
    """
    from qwenbatch.cli.told import tell  # noqa: PLC0415 - start-up

    told = tell(source, given)
    run_check(told, show_settings=told.by_job_file or told.options.dry_run)


def run_check(told: Told, *, show_settings: bool) -> NoReturn:
    """Check, print what was found, and exit as the run that is foreseen."""
    import anyio  # noqa: PLC0415 - start-up

    from qwenbatch.cli.ending import sole, tell_of_nothing  # noqa: PLC0415 - start-up
    from qwenbatch.cli.settings import from_options, run_settings  # noqa: PLC0415 - start-up
    from qwenbatch.wiring.checking import check as look  # noqa: PLC0415 - start-up
    from qwenbatch.wiring.display import Display, DisplaySettings  # noqa: PLC0415 - start-up

    settings = run_settings(told)
    shown = from_options(DisplaySettings, told.options, metrics=None)
    if show_settings and not (shown.json or shown.quiet):
        _show_settings(told, settings)
    display = Display(
        shown,
        out=settings.out_folder,
        asks_to_pay=False,
        asks_to_go_on=False,
        every_row=True,
    )

    async def lead() -> tuple[Summary, list[tuple[int, int, int]]]:
        return await look(settings, report=display.report)

    with display.open():
        summary, sizes = sole(lambda: anyio.run(lead))
    display.tell_sizes(sizes)
    display.close(
        summary,
        out=str(settings.out_folder),
        again=None,
        sandbox=settings.sandbox,
        strict=settings.strict,
    )
    if not shown.quiet:
        tell_of_nothing(settings, summary)
    raise typer.Exit(summary.exit_status)


def _show_settings(told: Told, settings: RunSettings) -> None:
    """The settings in force, and where each came from; those that others imply as they came out."""
    from qwenbatch.core.money import dollars  # noqa: PLC0415 - start-up
    from qwenbatch.observe.plain_text import plain  # noqa: PLC0415 - start-up
    from qwenbatch.wiring.printed import printed  # noqa: PLC0415 - start-up

    implied = {
        "out": str(settings.out_folder),
        "gateway": settings.gateway,
        "price": dollars(settings.price),
    }
    rows = [("option", "value", "from")]
    for setting in told.settings:
        shown = setting.value or implied.get(setting.name) or "-"
        if setting.name == "gateway" and settings.sandbox:
            shown = "-"
        value = plain(shown, most=MOST_SHOWN)
        rows.append((setting.name, value, setting.origin))
    first, second = (
        max(len(row[column]) for row in rows if len(row[column]) <= COLUMN) for column in (0, 1)
    )
    with printed(sys.stdout):
        for name, value, origin in rows:
            sys.stdout.write(f"{name:{first}}  {value:{second}}  {origin}\n")
        sys.stdout.write("\n")
