"""What a report's page says of the whole: counts, money and runs, in the words of the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from qwenbatch.core.money import MicroUSD, dollars
from qwenbatch.core.outcomes import ItemState
from qwenbatch.core.standing import utc
from qwenbatch.observe.run_facts import end_of_run
from qwenbatch.observe.words import KIND_WORDS
from qwenbatch.report.page_data import PageHead, PageRun, PageWords
from qwenbatch.wiring.settings import SANDBOX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.core.standing import LedgerStanding, RunRecord

_STATES: Mapping[ItemState, PageWords] = {
    ItemState.SAVED: PageWords(name="saved", means="the result is in place"),
    ItemState.FAILED: PageWords(
        name="failed",
        means="the service refused it: not paid",
        advice="mend it, then run with --retry-failed",
    ),
    ItemState.INVALID: PageWords(
        name="invalid", means="a bad row: nothing was sent", advice="mend the row, then run again"
    ),
    ItemState.UNCERTAIN: PageWords(
        name="uncertain",
        means="perhaps paid: nobody knows",
        advice="look at the invoice, then end the doubt with `qwenbatch settle`",
    ),
    ItemState.LOST: PageWords(
        name="lost",
        means="paid, but the result is not to be had any more",
        advice="--resend-lost sends it again, and pays again",
    ),
    ItemState.PENDING: PageWords(name="pending", means="the next run goes on with it"),
}


def page_head(
    standing: LedgerStanding,
    *,
    title: str,
    manifests: list[str],
    shown: int,
    now: float,
) -> PageHead:
    """What the ledger says of the whole at the moment `now`, in seconds since the epoch."""
    counts = asdict(standing.items)
    running = standing.live is not None
    return PageHead(
        title=title,
        made=utc(now),
        sandbox=standing.service == SANDBOX,
        running=running,
        total=standing.items.total,
        shown=shown,
        counts={state: counts[state] for state in ItemState},
        failures={kind: number for kind, number in standing.failures.items() if number},
        spent=dollars(standing.spent),
        exposure=_amount(standing.exposure),
        twice=_amount(standing.maybe_twice),
        manifests=manifests,
        runs=[
            _run(run, running=running and not number) for number, run in enumerate(standing.runs)
        ],
        states={state.value: words for state, words in _STATES.items()},
        kinds={
            kind: PageWords(name=kind.replace("_", " "), means=words.means, advice=words.advice)
            for kind, words in KIND_WORDS.items()
        },
    )


def _amount(amount: MicroUSD) -> str:
    return dollars(amount) if amount else ""


def _run(run: RunRecord, *, running: bool) -> PageRun:
    return PageRun(
        source=Path(run.source).name or run.source,
        started=utc(run.started_at),
        seconds=None if run.ended_at is None else run.ended_at - run.started_at,
        spent=dollars(run.spent),
        ended=end_of_run(run, running=running),
    )
