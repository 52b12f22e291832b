"""`qwenbatch run`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from qwenbatch.cli.options import Source, takes_options

if TYPE_CHECKING:
    from qwenbatch.cli.told import Told
    from qwenbatch.cli.watched import Watched
    from qwenbatch.core.summary import Summary
    from qwenbatch.wiring.display import Display
    from qwenbatch.wiring.fleet_view import FleetRun
    from qwenbatch.wiring.settings import RunSettings


@takes_options(of_run=True)
def run(source: Source, **given: Any) -> None:
    """Edit every picture of a manifest or folder; started again, it goes on where it was.

    Examples:
    qwenbatch run photos --instruction "make the background white" --sandbox
    qwenbatch run shop.csv -o out/shop --max-cost 25
    qwenbatch run jobs/nightly.toml --dry-run
    """
    from qwenbatch.cli.told import tell  # noqa: PLC0415 - start-up

    told = tell(source, given)
    if told.options.dry_run:
        from qwenbatch.cli.check import run_check  # noqa: PLC0415 - start-up

        run_check(told, show_settings=True)

    from qwenbatch.cli.watched import watched  # noqa: PLC0415 - start-up

    with watched(told.options.ping) as watch:
        summary = _run(told, watch)
    raise typer.Exit(summary.exit_status)


def _run(told: Told, watch: Watched) -> Summary:
    """Run and print how it ended; `watch` has the summary as soon as there is one."""
    from qwenbatch.cli.ending import (  # noqa: PLC0415 - start-up
        command_again,
        tell_of_nothing,
        untold_out,
    )
    from qwenbatch.cli.settings import from_options, run_settings  # noqa: PLC0415 - start-up
    from qwenbatch.wiring.display import (  # noqa: PLC0415 - start-up
        Display,
        DisplaySettings,
        is_at_terminal,
    )

    options, settings = told.options, run_settings(told)
    if options.out is None and not options.sandbox and not is_at_terminal():
        raise untold_out()
    asks = not options.yes and is_at_terminal()
    display = Display(
        from_options(DisplaySettings, options),
        out=settings.out_folder,
        asks_to_pay=asks and not options.sandbox,
        asks_to_go_on=asks,
        traced=True,
    )
    summary = watch.summary = _lead(settings, display)
    folder = str(settings.out_folder)
    display.close(
        summary,
        out=folder,
        again=command_again(summary, out=folder),
        sandbox=options.sandbox,
        strict=settings.strict,
    )
    if not options.quiet:
        tell_of_nothing(settings, summary)
    return summary


def _lead(settings: RunSettings, display: Display) -> Summary:
    import anyio  # noqa: PLC0415 - start-up

    from qwenbatch.cli.ending import sole  # noqa: PLC0415 - start-up
    from qwenbatch.wiring.batch import Batch  # noqa: PLC0415 - start-up
    from qwenbatch.wiring.settings import RAY  # noqa: PLC0415 - start-up

    kind: type[Batch | FleetRun] = Batch
    if settings.engine == RAY:
        from qwenbatch.wiring.fleet_view import FleetRun  # noqa: PLC0415 - start-up

        kind = FleetRun

    async def lead() -> Summary:
        batch = kind(
            settings,
            report=display.report,
            ask=display.ask,
            approve=display.approve,
        )
        async with anyio.create_task_group() as group:
            group.start_soon(display.keep_ticking)
            group.start_soon(display.heed_questions)
            summary = await batch.run()
            group.cancel_scope.cancel()
            return summary
        raise AssertionError  # the group is left by its return

    with display.open():
        return sole(lambda: anyio.run(lead))
