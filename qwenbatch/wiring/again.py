"""A run's settings as the command that starts it again, whatever they came from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qwenbatch.core.money import dollars
from qwenbatch.wiring.places import absolute
from qwenbatch.wiring.settings import (
    DEFAULT_ATTEMPTS,
    DEFAULT_CONCURRENCY,
    DEFAULT_RATE,
    DEFAULT_SERVICE,
    DEFAULT_TIMEOUT,
    LOCAL,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.money import MicroUSD
from qwenbatch.wiring.settings import RunSettings


def command_of(settings: RunSettings) -> list[str]:
    """The words of a `run` that makes the same edits at the same paths, under the same caps.

    Every setting is in them that came from an option, the environment or a job file, but for the
    default ones, for deadlines, and for what is done only where it is asked for. Paths are
    absolute: it works from any folder.
    """
    return ["qwenbatch", "run", str(absolute(settings.source)), *_options(settings)]


def _options(settings: RunSettings) -> Iterator[str]:
    caps, budget = settings.caps, settings.caps.budget
    yield from ("-o", str(settings.out_folder))
    if settings.ledger is not None:
        yield from ("--ledger", os.path.abspath(settings.ledger))  # noqa: PTH100 - resolve would follow links
    for option, value, default in (
        ("--service", settings.service, DEFAULT_SERVICE),
        ("--gateway", settings.gateway, settings.door.endpoint or ""),
        ("--instruction", settings.instruction, None),
        ("--negative-prompt", settings.negative_prompt, ""),
        ("--name", settings.name, None),
        ("--limit", settings.limit, None),
        ("--price", _amount(settings.price), _amount(settings.door.price)),
        ("--max-cost", None if caps.max_cost is None else _amount(caps.max_cost), None),
        ("--budget", None if budget is None else f"{_amount(budget.amount)}/{budget.period}", None),
        ("--concurrency", settings.concurrency, DEFAULT_CONCURRENCY),
        ("--rate", f"{settings.rate:g}", f"{DEFAULT_RATE:g}"),
        ("--attempts", settings.attempts, DEFAULT_ATTEMPTS),
        ("--timeout", f"{settings.timeout:g}", f"{DEFAULT_TIMEOUT:g}"),
        ("--engine", settings.engine, LOCAL),
        ("--address", settings.address, None),
    ):
        if value != default:
            # As one word: an instruction may begin with a dash.
            yield f"{option}={value}"
    for flag, wanted in (
        ("--sandbox", settings.sandbox),
        ("--watermark", settings.watermark),
        ("--strict", settings.strict),
        ("--overwrite", settings.overwrite),
        ("--sidecar", settings.sidecar),
        ("--embed", settings.embed),
    ):
        if wanted:
            yield flag


def _amount(amount: MicroUSD) -> str:
    return dollars(amount).removeprefix("$")
