"""The options that run and check share, by their own names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ITEMS, PLACES, MONEY, SPEED, REPAIR, OUTPUT = (
    "Items",
    "Where",
    "Money and time",
    "Speed",
    "Only where asked for",
    "What you see",
)

Source = Annotated[
    Path,
    typer.Argument(
        help="A manifest (.csv or .jsonl), or a folder with --instruction.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        envvar="QWENBATCH_OUT",
        help="Where results and the ledger go. Default: out/<name of the source>.",
        rich_help_panel=PLACES,
        show_default=False,
    ),
]
Instruction = Annotated[
    str | None,
    typer.Option(
        "--instruction",
        "-i",
        envvar="QWENBATCH_INSTRUCTION",
        help="What to do to every picture that has no instruction of its own.",
        rich_help_panel=ITEMS,
        show_default=False,
    ),
]
NegativePrompt = Annotated[
    str,
    typer.Option(
        envvar="QWENBATCH_NEGATIVE_PROMPT",
        help="What results should not show, unless a row says otherwise.",
        rich_help_panel=ITEMS,
        show_default=False,
    ),
]
Watermark = Annotated[
    bool,
    typer.Option(
        "--watermark/--no-watermark",
        envvar="QWENBATCH_WATERMARK",
        help="Let the service put its mark at the bottom right.",
        rich_help_panel=ITEMS,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        envvar="QWENBATCH_NAME",
        help="How results without an output are named: {dir} {stem} {id} {take} {key}.",
        metavar="TEMPLATE",
        rich_help_panel=ITEMS,
        show_default=False,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        envvar="QWENBATCH_LIMIT",
        help="The manifest ends after so many items.",
        min=0,
        rich_help_panel=ITEMS,
        show_default=False,
    ),
]
CanaryOption = Annotated[
    int,
    typer.Option(
        "--canary",
        envvar="QWENBATCH_CANARY",
        help="Send so many edits first, spread over the manifest; on a terminal show them and ask,"
        " elsewhere go on only if all are saved.",
        metavar="N",
        min=0,
        max=100,
        rich_help_panel=MONEY,
        show_default=False,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        envvar="QWENBATCH_STRICT",
        help="Send nothing if any row is bad.",
        rich_help_panel=ITEMS,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        envvar="QWENBATCH_OVERWRITE",
        help="Results may overwrite files that are not ours, or were altered.",
        rich_help_panel=ITEMS,
    ),
]
Gateway = Annotated[
    str | None,
    typer.Option(
        envvar="QWENBATCH_GATEWAY",
        help="The whole endpoint. Default: the documented one.",
        metavar="URL",
        rich_help_panel=PLACES,
        show_default=False,
    ),
]
Sandbox = Annotated[
    bool,
    typer.Option(
        "--sandbox",
        envvar="QWENBATCH_SANDBOX",
        help="Use a sandbox started for this run: no key, no cost.",
        rich_help_panel=PLACES,
    ),
]
Ledger = Annotated[
    Path | None,
    typer.Option(
        envvar="QWENBATCH_LEDGER",
        help="Where the ledger lies, if OUT is on a network file system.",
        metavar="PATH",
        rich_help_panel=PLACES,
        show_default=False,
    ),
]
Concurrency = Annotated[
    int,
    typer.Option(
        "--concurrency",
        "-c",
        envvar="QWENBATCH_CONCURRENCY",
        help="The most edits in flight.",
        min=1,
        max=1000,
        rich_help_panel=SPEED,
    ),
]
Rate = Annotated[
    float,
    typer.Option(
        envvar="QWENBATCH_RATE",
        help="The most edits started a second.",
        rich_help_panel=SPEED,
    ),
]
Attempts = Annotated[
    int,
    typer.Option(
        envvar="QWENBATCH_ATTEMPTS",
        help="How often an edit is tried in one run; throttles do not count.",
        min=1,
        max=100,
        rich_help_panel=SPEED,
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        envvar="QWENBATCH_TIMEOUT",
        help="Seconds to wait for an answer; too few turn slow successes into double payments.",
        metavar="S",
        rich_help_panel=SPEED,
    ),
]
Price = Annotated[
    str,
    typer.Option(
        envvar="QWENBATCH_PRICE",
        help="What one edit costs.",
        metavar="USD",
        rich_help_panel=MONEY,
    ),
]
MaxCost = Annotated[
    str | None,
    typer.Option(
        envvar="QWENBATCH_MAX_COST",
        help="The most that this run may spend, uncertain edits counted.",
        metavar="USD",
        rich_help_panel=MONEY,
        show_default=False,
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget",
        envvar="QWENBATCH_BUDGET",
        help="The most that this ledger may spend in a calendar period (UTC).",
        metavar="USD/day|week|month",
        rich_help_panel=MONEY,
        show_default=False,
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        envvar="QWENBATCH_UNTIL",
        help="Everything has landed by this local time; but what is sent before the first answer"
        " is awaited, however long it takes.",
        metavar="HH:MM",
        rich_help_panel=MONEY,
        show_default=False,
    ),
]
MaxDuration = Annotated[
    str | None,
    typer.Option(
        envvar="QWENBATCH_MAX_DURATION",
        help="Everything has landed after this time, such as 6h, 10m or 4s; but what is sent before"
        " the first answer is awaited, however long it takes.",
        rich_help_panel=MONEY,
        show_default=False,
    ),
]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        envvar="QWENBATCH_RETRY_FAILED",
        help="Send again what the gateway refused.",
        rich_help_panel=REPAIR,
    ),
]
RetryKind = Annotated[
    list[str] | None,
    typer.Option(
        envvar="QWENBATCH_RETRY_KIND",
        help="Send again what failed with this kind, such as moderated.",
        metavar="KIND",
        rich_help_panel=REPAIR,
        show_default=False,
    ),
]
ResendUncertain = Annotated[
    bool,
    typer.Option(
        "--resend-uncertain",
        help="Send again what may have been paid: it may be paid twice.",
        rich_help_panel=REPAIR,
    ),
]
ResendLost = Annotated[
    bool,
    typer.Option(
        "--resend-lost",
        help="Pay again for results that are lost, if their URL still fails.",
        rich_help_panel=REPAIR,
    ),
]
Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", envvar="QWENBATCH_YES", help="Do not ask.", rich_help_panel=MONEY),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="The same as `qwenbatch check`.", rich_help_panel=OUTPUT),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print the summary as one JSON object.", rich_help_panel=OUTPUT),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel=OUTPUT),
]
LogFormatOption = Annotated[
    str,
    typer.Option(
        "--log-format",
        envvar="QWENBATCH_LOG_FORMAT",
        help="text or json.",
        metavar="text|json",
        rich_help_panel=OUTPUT,
    ),
]
LogFile = Annotated[
    Path | None,
    typer.Option(
        envvar="QWENBATCH_LOG_FILE",
        help="Append every event to this file.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
