"""What crosses between a worker and the keeper of the ledger: plain values, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwenbatch.core.attempts import AttemptEnd, AttemptId, PermitRequest
    from qwenbatch.core.events import Event
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.plan import Edit
    from qwenbatch.core.verdicts import Kind
    from qwenbatch.errors import QwenbatchError

# ---------------------------------------------------------------------- what a worker is to do


@dataclass(frozen=True, slots=True)
class Conduct:
    """Send an edit, to the end of its life."""

    edit: Edit


@dataclass(frozen=True, slots=True)
class Place:
    """Bring a paid edit's result to its paths."""

    key: EditKey
    paid_now: bool
    waits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Errand:
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


@dataclass(frozen=True, slots=True)
class Ask:
    """A permit for one POST, in an errand."""

    errand: int
    request: PermitRequest


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended; it is in the worker's own spool already."""

    ended: AttemptEnd


@dataclass(frozen=True, slots=True)
class Release:
    """A permit that was not used."""

    key: EditKey
    attempt: AttemptId


@dataclass(frozen=True, slots=True)
class Heard:
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


@dataclass(frozen=True, slots=True)
class Book:
    """A call of the keeper's books, in an errand."""

    errand: int
    call: BookCall
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """An event for whoever watches the run."""

    event: Event


@dataclass(frozen=True, slots=True)
class Finished:
    """An errand's end; `value` is what its task returned, `error` what ended it."""

    errand: int
    outcome: Outcome
    value: Any = None
    error: QwenbatchError | None = None
    defect: str = ""


Message: TypeAlias = Ask | End | Release | Heard | Book | Told | Finished


@dataclass(frozen=True, slots=True)
class Call:
    """A message with its number, by which it is answered, once."""

    number: int
    message: Message


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call; an error of ours is raised where it was made."""

    number: int
    value: Any = None
    error: QwenbatchError | None = None


# ---------------------------------------------------------------------- hello, and from then on


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """A worker that wants a lease.

    `reports` are records of its spools, in their own form; `flying` what it has in flight.
    """

    worker: str
    node: str
    version: str
    reports: Sequence[Any]
    flying: tuple[AttemptId, ...]
    refusal: QwenbatchError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """A lease: its fence, its time in seconds, and where edits are sent."""

    fence: int
    term: float
    run: str
    gateway: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
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
