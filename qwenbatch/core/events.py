"""What happens in a run, told to whoever watches: plain values, no behaviour."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from qwenbatch.core.money import NOTHING, MicroUSD
from qwenbatch.core.stops import StopReason
from qwenbatch.core.summary import Estimate, ItemCounts, Summary
from qwenbatch.core.verdicts import Kind


class RunOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger is locked and the plan begins. `sandbox`: nothing is really paid.

    `concurrency` is the most in flight, `rate` the most starts a second: 0 where nothing is sent.
    `ends_in` are the seconds until its deadline, if it has one.
    """

    run: str
    source: str
    out: str
    gateway: str
    sandbox: bool
    concurrency: int = 0
    rate: float = 0.0
    ends_in: float | None = None


class Proxied(msgspec.Struct, frozen=True, kw_only=True):
    """The environment names proxies: told once, for they weaken the rule on results' addresses.

    `proxies` are their URLs, without names and passwords.
    """

    proxies: tuple[str, ...]


class Planning(msgspec.Struct, frozen=True, kw_only=True):
    """So many rows were read so far."""

    rows: int


class RowRefused(msgspec.Struct, frozen=True, kw_only=True):
    """A row is invalid. `where` names the file, line and column as far as they are known."""

    where: str
    image: str
    reason: str
    advice: str


class RowWarned(msgspec.Struct, frozen=True, kw_only=True):
    """A person should know this of a row, or of its result; it is edited all the same."""

    where: str
    image: str
    warning: str


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """The plan stands: counts as they are before the first POST, and what is to be sent.

    `exposure` is what earlier runs may have spent for this manifest's edits.
    """

    items: ItemCounts
    estimate: Estimate
    to_place: int
    exposure: MicroUSD = NOTHING


class AttemptSent(msgspec.Struct, frozen=True, kw_only=True):
    """A permit was given and the POST begins."""

    key: str
    attempt: str
    image: str


class AttemptEnded(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt is recorded. `kind` None: edited, paid. `seconds` from permit to answer.

    `again_in` is the wait in seconds before the next attempt, None if this run makes none.
    `cost` is what was paid, or may have been; `items` counts the rows that share the edit.
    """

    key: str
    attempt: str
    image: str
    kind: Kind | None
    message: str
    request_id: str
    status: int | None
    seconds: float
    cost: MicroUSD
    again_in: float | None
    items: int = 1


class PaceChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The rate of starts, in edits a second, or the gate of a `Retry-After`, changed."""

    rate: float
    wait: float


class FetchFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A result could not be fetched or verified; `again_in` as in `AttemptEnded`."""

    key: str
    url: str
    reason: str
    again_in: float | None


class ResultSaved(msgspec.Struct, frozen=True, kw_only=True):
    """A result is in place. `path` is relative to OUT; `reused`: not paid for by this run."""

    key: str
    path: str
    items: int
    reused: bool
    warning: str


class ResultLost(msgspec.Struct, frozen=True, kw_only=True):
    """A result that was paid for can no longer be had. `items` counts the rows at the path."""

    key: str
    path: str
    reason: str
    items: int = 1


class Stopping(msgspec.Struct, frozen=True, kw_only=True):
    """No new POST is made from here on; `advice` says what a person can do."""

    reason: StopReason
    message: str
    in_flight: int


class RunClosed(msgspec.Struct, frozen=True, kw_only=True):
    """The run is over."""

    summary: Summary


Event: TypeAlias = (
    RunOpened
    | Proxied
    | Planning
    | RowRefused
    | RowWarned
    | Planned
    | AttemptSent
    | AttemptEnded
    | PaceChanged
    | FetchFailed
    | ResultSaved
    | ResultLost
    | Stopping
    | RunClosed
)
