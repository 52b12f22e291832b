"""What crosses between a worker and the keeper of the ledger: plain values, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from qwenbatch.core.attempts import AttemptEnd, AttemptId, PermitRequest
from qwenbatch.core.events import Event
from qwenbatch.core.keys import EditKey
from qwenbatch.core.plan import Edit
from qwenbatch.core.verdicts import Kind
from qwenbatch.errors import QwenbatchError

# ---------------------------------------------------------------------- what a worker is to do


class Conduct(msgspec.Struct, frozen=True):
    """Send an edit, to the end of its life."""

    edit: Edit


class Place(msgspec.Struct, frozen=True):
    """Bring a paid edit's result to its paths."""

    key: EditKey
    paid_now: bool
    waits: tuple[float, ...]


class Errand(msgspec.Struct, frozen=True):
    """One handing-out of something to do; its number is never used again."""

    number: int
    task: Conduct | Place


class Outcome(StrEnum):
    """How an errand ended."""

    DONE = "done"
    ABANDONED = "abandoned"
    """The lease was over: it is handed out anew."""
    REFUSED = "refused"
    """An error of ours ended it, such as a damaged picture or a full disk."""
    BROKEN = "broken"
    """A defect of the program ended it."""


# ---------------------------------------------------------------------- what a worker tells


class Ask(msgspec.Struct, frozen=True):
    """A permit for one POST, in an errand."""

    errand: int
    request: PermitRequest


class End(msgspec.Struct, frozen=True):
    """How an attempt ended; it is in the worker's own spool already."""

    ended: AttemptEnd


class Release(msgspec.Struct, frozen=True):
    """A permit that was not used."""

    key: EditKey
    attempt: AttemptId


class Heard(msgspec.Struct, frozen=True):
    """What pace, breaker and brake are to know of an attempt's end."""

    kind: Kind | None
    retry_after: float | None
    seconds: float
    again: bool


class BookCall(StrEnum):
    """What a placement asks of the keeper's books, by the methods' names."""

    PAID_EDIT = "paid_edit"
    PLACEMENT = "placement"
    CLAIMED = "claimed"
    PREPARE = "prepare"
    SAVE = "save"
    LOSE = "lose"
    KNOWN_FILES = "known_files"
    IS_SOURCE = "is_source"
    EMBEDDED_TEXTS = "embedded_texts"


class Book(msgspec.Struct, frozen=True):
    """A call of the keeper's books, in an errand."""

    errand: int
    call: BookCall
    arguments: tuple[Any, ...]


class Told(msgspec.Struct, frozen=True):
    """An event for whoever watches the run."""

    event: Event


class Finished(msgspec.Struct, frozen=True):
    """An errand's end; `value` is what its task returned, `error` what ended it."""

    errand: int
    outcome: Outcome
    value: Any = None
    error: QwenbatchError | None = None
    defect: str = ""


Message: TypeAlias = Ask | End | Release | Heard | Book | Told | Finished


class Call(msgspec.Struct, frozen=True):
    """A message with its number, by which it is answered, once."""

    number: int
    message: Message


class Answer(msgspec.Struct, frozen=True):
    """What came of a call; an error of ours is raised where it was made."""

    number: int
    value: Any = None
    error: QwenbatchError | None = None


# ---------------------------------------------------------------------- hello, and from then on


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that wants a lease.

    `reports` are records of its spools, in their own form; `flying` what it has in flight.
    """

    worker: str
    node: str
    version: str
    reports: Sequence[Any]
    flying: tuple[AttemptId, ...]
    refusal: QwenbatchError | None = None


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """A lease: its fence, its time in seconds, and where edits are sent."""

    fence: int
    term: float
    run: str
    gateway: str


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has for the keeper.

    `got` are the answers, `taken` the errands that arrived; `want` is how many more errands it has
    hands for. `again`: an exchange failed, so that what was answered may have been lost.
    """

    fence: int
    calls: tuple[Call, ...]
    got: tuple[int, ...]
    taken: tuple[int, ...]
    want: int
    again: bool


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the keeper has for a worker.

    `gone`: the lease is over, and a new one is to be asked for. `stopping`: no new POST may be
    made. `give_up`: what is in flight is given up. `slots`: the worker's share of them.
    """

    answers: tuple[Answer, ...] = ()
    errands: tuple[Errand, ...] = ()
    gone: bool = False
    stopping: bool = False
    give_up: bool = False
    slots: int = 1
