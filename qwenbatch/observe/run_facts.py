"""One run of a ledger in words: when it was, what it did, how it ended."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from qwenbatch.core.money import dollars
from qwenbatch.core.stops import ExitStatus
from qwenbatch.observe.amounts import number_of, span
from qwenbatch.observe.words import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.standing import RunRecord


def facts_of_run(run: RunRecord, *, running: bool, zone: tzinfo | None = UTC) -> str:
    """All that is told of a run, on one line; its start in a zone, None: this machine's."""
    return ", ".join(_facts(run, zone, running=running))


def _facts(run: RunRecord, zone: tzinfo | None, *, running: bool) -> Iterator[str]:
    yield f"{datetime.fromtimestamp(run.started_at, UTC).astimezone(zone):%Y-%m-%d %H:%M}"
    if run.ended_at is not None:
        yield span(run.ended_at - run.started_at)
    if run.saved is not None and run.total is not None:
        yield f"{run.saved:,} of {number_of(run.total, 'item')} saved"
    yield f"{dollars(run.spent)} spent ({number_of(run.attempts, 'attempt')})"
    yield end_of_run(run, running=running)


def end_of_run(run: RunRecord, *, running: bool) -> str:
    """How a run ended, in words; `running`: it is going on."""
    if run.ended_at is None:
        return "running" if running else "did not end: it was killed, or the machine stopped"
    if run.stopped_by is not None:
        return f"stopped ({run.stopped_by}): {STOP_WORDS[run.stopped_by].means}"
    match run.exit_status:
        case ExitStatus.SAVED:
            return "every item saved"
        case ExitStatus.UNCERTAIN:
            return "finished, some edits uncertain"
        case _:
            return "finished, not every item saved"
