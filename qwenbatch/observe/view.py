"""How a run stands at one moment: what screens, lines and metrics show."""

from __future__ import annotations

import msgspec

from qwenbatch.core.events import Planned, RunOpened, Stopping
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.summary import ItemCounts, Summary
from qwenbatch.core.verdicts import Kind
from qwenbatch.observe.bounds import Bound


class Failure(msgspec.Struct, frozen=True):
    """Something that went wrong. `what` is an image, a path or a key, `message` the reason."""

    what: str
    kind: Kind
    message: str
    again_in: float | None


class View(msgspec.Struct, frozen=True, kw_only=True):
    """How the run stands at one moment; rates are per second, times in seconds.

    `rate_now` and `rate_overall` count edits that were paid, or, in a run that sends nothing,
    items that were saved. `exposure` is that of this run's attempts and of earlier ones for the
    same edits. `gate` is how long nothing is sent yet because of a `Retry-After`.
    `bound` is why there are not more, None where nothing is left to be started; `placing` counts
    edits that were paid by this run and are not in place; `deadline` is in how long its hours or
    its duration end. `eta`,
    `projected` (what the run will have cost, what is perhaps paid included) and `left` (what the
    caps leave by now) are None where unknown.
    """

    opened: RunOpened | None
    planned: Planned | None
    rows: int
    items: ItemCounts
    in_flight: int
    waiting: int
    attempts: int
    spent: MicroUSD
    exposure: MicroUSD
    projected: MicroUSD | None
    left: MicroUSD | None
    rate_now: float
    rate_overall: float
    pace: float | None
    gate: float
    bound: Bound | None
    placing: int
    deadline: float | None
    failures: tuple[Failure, ...]
    stopping: Stopping | None
    summary: Summary | None
    eta: float | None
