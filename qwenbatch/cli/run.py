"""`qwenbatch run`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from qwenbatch.cli.ending import command_again, sole, tell_of_nothing, untold_out
from qwenbatch.cli.options import (
    Attempts,
    BudgetOption,
    CanaryOption,
    Concurrency,
    DryRun,
    Gateway,
    Instruction,
    Json,
    Ledger,
    Limit,
    LogFile,
    LogFormatOption,
    MaxCost,
    MaxDuration,
    Name,
    NegativePrompt,
    Out,
    Overwrite,
    Price,
    Quiet,
    Rate,
    ResendLost,
    ResendUncertain,
    RetryFailed,
    RetryKind,
    Sandbox,
    Source,
    Strict,
    Timeout,
    Until,
    Watermark,
    Yes,
)

if TYPE_CHECKING:
    from qwenbatch.core.summary import Summary
    from qwenbatch.wiring.display import Display
    from qwenbatch.wiring.settings import RunSettings


def run(
    source: Source,
    *,
    out: Out = None,
    instruction: Instruction = None,
    negative_prompt: NegativePrompt = "",
    watermark: Watermark = False,
    name: Name = None,
    gateway: Gateway = None,
    sandbox: Sandbox = False,
    ledger: Ledger = None,
    concurrency: Concurrency = 32,
    rate: Rate = 2.0,
    price: Price = "0.055",
    max_cost: MaxCost = None,
    budget: BudgetOption = None,
    until: Until = None,
    max_duration: MaxDuration = None,
    attempts: Attempts = 4,
    timeout: Timeout = 300.0,
    limit: Limit = None,
    canary: CanaryOption = 0,
    retry_failed: RetryFailed = False,
    retry_kind: RetryKind = None,
    resend_uncertain: ResendUncertain = False,
    resend_lost: ResendLost = False,
    strict: Strict = False,
    overwrite: Overwrite = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
    log_format: LogFormatOption = "text",
    log_file: LogFile = None,
) -> None:
    """Edit every picture of a manifest or folder; started again, it goes on where it was.

    Examples:
    qwenbatch run photos --instruction "make the background white" --sandbox
    qwenbatch run shop.csv -o out/shop --max-cost 25
    """
    from qwenbatch.cli.settings import display_settings, run_settings  # noqa: PLC0415 - start-up
    from qwenbatch.wiring.display import Display, is_at_terminal  # noqa: PLC0415 - start-up

    settings = run_settings(
        source=source,
        out=out,
        instruction=instruction,
        negative_prompt=negative_prompt,
        watermark=watermark,
        name=name,
        gateway=gateway,
        sandbox=sandbox,
        ledger=ledger,
        concurrency=concurrency,
        rate=rate,
        price=price,
        max_cost=max_cost,
        budget=budget,
        until=until,
        max_duration=max_duration,
        attempts=attempts,
        timeout=timeout,
        limit=limit,
        canary=canary,
        retry_failed=retry_failed,
        retry_kind=retry_kind,
        resend_uncertain=resend_uncertain,
        resend_lost=resend_lost,
        strict=strict,
        overwrite=overwrite,
    )
    shown = display_settings(json=json, quiet=quiet, log_format=log_format, log_file=log_file)
    if dry_run:
        from qwenbatch.cli.check import run_check  # noqa: PLC0415 - start-up

        run_check(settings, shown)
    if out is None and not sandbox and not is_at_terminal():
        raise untold_out()
    asks = not yes and is_at_terminal()
    display = Display(
        shown,
        out=settings.out_folder,
        asks_to_pay=asks and not sandbox,
        asks_to_go_on=asks,
    )
    summary = _lead(settings, display)
    folder = str(settings.out_folder)
    display.close(
        summary,
        out=folder,
        again=command_again(summary, out=folder),
        sandbox=sandbox,
    )
    if not quiet:
        tell_of_nothing(settings, summary)
    raise typer.Exit(summary.exit_status)


def _lead(settings: RunSettings, display: Display) -> Summary:
    import anyio  # noqa: PLC0415 - start-up

    from qwenbatch.wiring.batch import Batch  # noqa: PLC0415 - start-up

    async def lead() -> Summary:
        batch = Batch(
            settings,
            report=display.report,
            ask=display.ask,
            approve=display.approve,
        )
        async with anyio.create_task_group() as group:
            group.start_soon(display.keep_ticking)
            summary = await batch.run()
            group.cancel_scope.cancel()
            return summary
        raise AssertionError  # the group is left by its return

    with display.open():
        return sole(lambda: anyio.run(lead))
