"""`qwenbatch check`: all that a run would find out before its first dollar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from qwenbatch.cli.ending import sole, tell_of_nothing
from qwenbatch.cli.options import (
    BudgetOption,
    Gateway,
    Instruction,
    Json,
    Ledger,
    Limit,
    LogFile,
    LogFormatOption,
    MaxCost,
    Name,
    NegativePrompt,
    Out,
    Overwrite,
    Price,
    Quiet,
    ResendLost,
    ResendUncertain,
    RetryFailed,
    RetryKind,
    Sandbox,
    Source,
    Strict,
    Watermark,
)

if TYPE_CHECKING:
    from typing import NoReturn

    from qwenbatch.core.summary import Summary
    from qwenbatch.wiring.display import DisplaySettings
    from qwenbatch.wiring.settings import RunSettings


def check(
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
    price: Price = "0.055",
    max_cost: MaxCost = None,
    budget: BudgetOption = None,
    limit: Limit = None,
    retry_failed: RetryFailed = False,
    retry_kind: RetryKind = None,
    resend_uncertain: ResendUncertain = False,
    resend_lost: ResendLost = False,
    strict: Strict = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    log_format: LogFormatOption = "text",
    log_file: LogFile = None,
) -> None:
    """Say what a run would do and cost, and what is wrong: nothing is sent, nothing written.

    Example: qwenbatch check shop.csv -o out/shop
    """
    from qwenbatch.cli.settings import display_settings, run_settings  # noqa: PLC0415 - start-up

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
        concurrency=32,
        rate=2.0,
        price=price,
        max_cost=max_cost,
        budget=budget,
        until=None,
        max_duration=None,
        attempts=4,
        timeout=300.0,
        limit=limit,
        retry_failed=retry_failed,
        retry_kind=retry_kind,
        resend_uncertain=resend_uncertain,
        resend_lost=resend_lost,
        strict=strict,
        overwrite=overwrite,
    )
    run_check(
        settings,
        display_settings(json=json, quiet=quiet, log_format=log_format, log_file=log_file),
    )


def run_check(settings: RunSettings, shown: DisplaySettings) -> NoReturn:
    """Check, print what was found, and exit as the run that is foreseen."""
    import anyio  # noqa: PLC0415 - start-up

    from qwenbatch.wiring.checking import check as look  # noqa: PLC0415 - start-up
    from qwenbatch.wiring.display import Display  # noqa: PLC0415 - start-up

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
    display.close(summary, out=str(settings.out_folder), again=None, sandbox=settings.sandbox)
    if not shown.quiet:
        tell_of_nothing(settings, summary)
    raise typer.Exit(summary.exit_status)
