"""Options into settings, each checked with its own name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qwenbatch.cli import parsing
from qwenbatch.core.budget import Caps
from qwenbatch.core.money import DEFAULT_PRICE
from qwenbatch.core.paths import parse_template
from qwenbatch.core.plan import Asked
from qwenbatch.errors import UsageError
from qwenbatch.wiring.clock import local_now
from qwenbatch.wiring.display import DisplaySettings
from qwenbatch.wiring.settings import GATEWAY, RunSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def run_settings(
    *,
    source: Path,
    out: Path | None,
    instruction: str | None,
    negative_prompt: str,
    watermark: bool,
    name: str | None,
    gateway: str | None,
    sandbox: bool,
    ledger: Path | None,
    concurrency: int,
    rate: float,
    price: str,
    max_cost: str | None,
    budget: str | None,
    until: str | None,
    max_duration: str | None,
    attempts: int,
    timeout: float,
    limit: int | None,
    canary: int = 0,
    retry_failed: bool,
    retry_kind: Sequence[str] | None,
    resend_uncertain: bool,
    resend_lost: bool,
    strict: bool,
    overwrite: bool,
) -> RunSettings:
    """The settings that the options say; UsageError names the option that makes no sense."""
    if sandbox and gateway is not None:
        raise UsageError(
            "--sandbox and --gateway exclude each other",
            "a sandbox of your own, from `qwenbatch sandbox`, is reached with --gateway alone",
        )
    retry_kinds = parsing.kinds(retry_kind)
    settings = RunSettings(
        source=source,
        out=out,
        instruction=instruction,
        negative_prompt=negative_prompt,
        watermark=watermark,
        name=None if name is None else parse_template(name),
        gateway=parsing.parsed("--gateway", gateway, parsing.gateway) or GATEWAY,
        sandbox=sandbox,
        ledger=ledger,
        concurrency=concurrency,
        rate=parsing.rate(rate),
        price=parsing.parsed("--price", price, parsing.price) or DEFAULT_PRICE,
        caps=Caps(
            max_cost=parsing.parsed("--max-cost", max_cost, parsing.amount),
            budget=parsing.parsed("--budget", budget, parsing.budget),
        ),
        until=parsing.parsed(
            "--until",
            until,
            lambda text: parsing.time_of_day(text, local_now()),
        ),
        max_duration=parsing.parsed("--max-duration", max_duration, parsing.duration),
        attempts=attempts,
        timeout=parsing.timeout(timeout),
        limit=limit,
        canary=canary,
        asked=Asked(
            resend_uncertain=resend_uncertain,
            resend_lost=resend_lost,
            retry_failed=retry_failed or bool(retry_kinds),
            retry_kinds=retry_kinds,
        ),
        strict=strict,
        overwrite=overwrite,
    )
    if os.path.isfile(settings.out_folder):  # noqa: PTH113 - False where a folder may not be read
        raise UsageError(
            f"results cannot go to {out or settings.out_folder}: it is a file, not a folder",
            "name a folder with -o",
        )
    return settings


def display_settings(
    *,
    json: bool,
    quiet: bool,
    log_format: str,
    log_file: Path | None,
) -> DisplaySettings:
    """What is shown, and where it is logged."""
    return DisplaySettings(
        json=json,
        quiet=quiet,
        log_format=parsing.log_format(log_format),
        log_file=log_file,
    )
