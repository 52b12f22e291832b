"""Every move that an edit, an attempt and a placement can make, in three tables.

    an edit       pending ──▶ sending ──▶ edited         paid; its answer is in the ledger
                     ▲           │ │ └──▶ uncertain      perhaps paid: nobody knows
                     └── retry ──┘ └────▶ failed         refused, not paid; with its kind
    a placement   waiting ──▶ saved | lost               lost: paid, but not to be had any more

An edit is sent for the first time from `pending` (or, asked for, from `failed`). It is *resent*,
only ever asked for, from `uncertain`, or from `edited` where its result is lost. What an edit was
before it was sent is its origin; a resend that comes to nothing leaves the edit as it was, for
its earlier attempt may have been paid all the same.

A move that is not in its table is a defect of the program: `IllegalMoveError`.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class EditState(StrEnum):
    """Where an edit stands."""

    PENDING = "pending"
    SENDING = "sending"
    EDITED = "edited"
    UNCERTAIN = "uncertain"
    FAILED = "failed"


class EditEvent(StrEnum):
    """What can happen to an edit."""

    PERMITTED = "permitted"
    """One POST is allowed, its price reserved."""
    RELEASED = "released"
    """The permit was not used: no POST was made."""
    ANSWERED = "answered"
    """The gateway edited the picture: paid."""
    RETRIABLE = "retriable"
    """Not paid; another attempt may succeed (verdicts retry and halt)."""
    REFUSED = "refused"
    """Not paid, and never will be edited as it is (verdict fail)."""
    DOUBTED = "doubted"
    """Perhaps paid (verdict uncertain, or a death in mid-flight)."""
    ANSWERED_LATE = "answered_late"
    """An answer turned up for an attempt that had been given up for uncertain."""
    SETTLED_PAID = "settled_paid"
    """The invoice says that an uncertain attempt was paid."""
    SETTLED_UNPAID = "settled_unpaid"
    """The invoice says that no uncertain attempt of it was paid."""


class AttemptState(StrEnum):
    """What is known of an attempt's money. A released attempt is forgotten."""

    RESERVED = "reserved"
    UNPAID = "unpaid"
    PAID = "paid"
    UNCERTAIN = "uncertain"


class PlacementState(StrEnum):
    """Where a result stands on its way to one item's path."""

    WAITING = "waiting"
    SAVED = "saved"
    LOST = "lost"


class PlacementEvent(StrEnum):
    """What can happen to a placement."""

    PLACED = "placed"
    """The verified result is in place, flushed."""
    GIVEN_UP = "given_up"
    """The result can no longer be had."""
    WANTED = "wanted"
    """The result is to be placed (again): its file is gone, or another answer came."""


class IllegalMoveError(Exception):
    """A move that the tables do not know: a defect of the program, never of its user."""


class _Origin:
    """The state in which the edit was before it was sent."""

    def __repr__(self) -> str:
        return "ORIGIN"


ORIGIN: Final = _Origin()

_P, _S, _E, _U, _F = EditState
_Target = EditState | _Origin

FIRST_ORIGINS = frozenset({_P, _F})
"""What an edit was before it is sent for the first time; every other origin makes it a resend."""

EDIT_MOVES: Mapping[tuple[EditState, EditEvent], tuple[_Target, _Target]] = MappingProxyType(
    {
        # (state, event): (the new state, the new state if it is a resend that was in flight)
        (_P, EditEvent.PERMITTED): (_S, _S),
        (_F, EditEvent.PERMITTED): (_S, _S),
        (_U, EditEvent.PERMITTED): (_S, _S),
        (_E, EditEvent.PERMITTED): (_S, _S),
        (_S, EditEvent.RELEASED): (ORIGIN, ORIGIN),
        (_S, EditEvent.ANSWERED): (_E, _E),
        (_S, EditEvent.RETRIABLE): (_P, ORIGIN),
        (_S, EditEvent.REFUSED): (_F, ORIGIN),
        (_S, EditEvent.DOUBTED): (_U, _U),
        (_P, EditEvent.ANSWERED_LATE): (_E, _E),
        (_F, EditEvent.ANSWERED_LATE): (_E, _E),
        (_U, EditEvent.ANSWERED_LATE): (_E, _E),
        (_E, EditEvent.ANSWERED_LATE): (_E, _E),
        (_S, EditEvent.ANSWERED_LATE): (_S, _S),
        (_U, EditEvent.SETTLED_PAID): (_E, _E),
        (_E, EditEvent.SETTLED_PAID): (_E, _E),
        (_U, EditEvent.SETTLED_UNPAID): (_P, _P),
        (_E, EditEvent.SETTLED_UNPAID): (_E, _E),
    },
)

ATTEMPT_MOVES: Mapping[tuple[AttemptState, EditEvent], AttemptState] = MappingProxyType(
    {
        (AttemptState.RESERVED, EditEvent.ANSWERED): AttemptState.PAID,
        (AttemptState.RESERVED, EditEvent.RETRIABLE): AttemptState.UNPAID,
        (AttemptState.RESERVED, EditEvent.REFUSED): AttemptState.UNPAID,
        (AttemptState.RESERVED, EditEvent.DOUBTED): AttemptState.UNCERTAIN,
        (AttemptState.RESERVED, EditEvent.ANSWERED_LATE): AttemptState.PAID,
        (AttemptState.UNCERTAIN, EditEvent.ANSWERED_LATE): AttemptState.PAID,
        (AttemptState.UNPAID, EditEvent.ANSWERED_LATE): AttemptState.PAID,
        (AttemptState.PAID, EditEvent.ANSWERED_LATE): AttemptState.PAID,
        (AttemptState.UNCERTAIN, EditEvent.SETTLED_PAID): AttemptState.PAID,
        (AttemptState.UNCERTAIN, EditEvent.SETTLED_UNPAID): AttemptState.UNPAID,
    },
)

PLACEMENT_MOVES: Mapping[tuple[PlacementState, PlacementEvent], PlacementState] = MappingProxyType(
    {
        (PlacementState.WAITING, PlacementEvent.PLACED): PlacementState.SAVED,
        (PlacementState.WAITING, PlacementEvent.GIVEN_UP): PlacementState.LOST,
        (PlacementState.WAITING, PlacementEvent.WANTED): PlacementState.WAITING,
        (PlacementState.SAVED, PlacementEvent.WANTED): PlacementState.WAITING,
        (PlacementState.LOST, PlacementEvent.WANTED): PlacementState.WAITING,
    },
)


def move_edit(
    state: EditState,
    event: EditEvent,
    origin: EditState = EditState.PENDING,
) -> EditState:
    """The state of an edit after the event; `origin` counts only while it is `sending`."""
    try:
        first, resent = EDIT_MOVES[state, event]
    except KeyError:
        raise IllegalMoveError(f"an edit that is {state} cannot be {event}") from None
    target = first if origin in FIRST_ORIGINS else resent
    return origin if isinstance(target, _Origin) else target


def move_attempt(state: AttemptState, event: EditEvent) -> AttemptState:
    """What is known of an attempt's money after the event."""
    try:
        return ATTEMPT_MOVES[state, event]
    except KeyError:
        raise IllegalMoveError(f"an attempt that is {state} cannot be {event}") from None


def move_placement(state: PlacementState, event: PlacementEvent) -> PlacementState:
    """Where a placement stands after the event."""
    try:
        return PLACEMENT_MOVES[state, event]
    except KeyError:
        raise IllegalMoveError(f"a placement that is {state} cannot be {event}") from None
