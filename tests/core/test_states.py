from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core import states
from qwenbatch.core.states import (
    ATTEMPT_MOVES,
    EDIT_MOVES,
    FIRST_ORIGINS,
    ORIGIN,
    PLACEMENT_MOVES,
    AttemptState,
    EditEvent,
    EditState,
    IllegalMoveError,
    PlacementEvent,
    PlacementState,
    move_attempt,
    move_edit,
    move_placement,
)

P, S, E, U, F = EditState
ENDS = {
    EditEvent.RELEASED,
    EditEvent.ANSWERED,
    EditEvent.RETRIABLE,
    EditEvent.REFUSED,
    EditEvent.DOUBTED,
}

# What every edit, attempt and placement may do: all else is an error. The second state of a
# move from `sending` is that of a resend from the origin that stands with it.
EDITS = {
    (P, EditEvent.PERMITTED): S,
    (F, EditEvent.PERMITTED): S,
    (U, EditEvent.PERMITTED): S,
    (E, EditEvent.PERMITTED): S,
    (P, EditEvent.ANSWERED_LATE): E,
    (F, EditEvent.ANSWERED_LATE): E,
    (U, EditEvent.ANSWERED_LATE): E,
    (E, EditEvent.ANSWERED_LATE): E,
    (U, EditEvent.SETTLED_PAID): E,
    (E, EditEvent.SETTLED_PAID): E,
    (U, EditEvent.SETTLED_UNPAID): P,
    (E, EditEvent.SETTLED_UNPAID): E,
}
FLIGHTS = {
    EditEvent.RELEASED: {P: P, F: F, U: U, E: E},
    EditEvent.ANSWERED: {P: E, F: E, U: E, E: E},
    EditEvent.RETRIABLE: {P: P, F: P, U: U, E: E},
    EditEvent.REFUSED: {P: F, F: F, U: U, E: E},
    EditEvent.DOUBTED: {P: U, F: U, U: U, E: U},
    EditEvent.ANSWERED_LATE: {P: S, F: S, U: S, E: S},
}


@pytest.mark.parametrize("state", EditState)
@pytest.mark.parametrize("event", EditEvent)
@pytest.mark.parametrize("origin", [P, F, U, E])
def test_states_edits_move_as_told_and_no_other_way(
    state: EditState,
    event: EditEvent,
    origin: EditState,
) -> None:
    wanted = FLIGHTS.get(event, {}).get(origin) if state is S else EDITS.get((state, event))
    if wanted is None:
        with pytest.raises(IllegalMoveError, match=f"{state}.*{event}"):
            move_edit(state, event, origin)
    else:
        assert move_edit(state, event, origin) is wanted


@pytest.mark.parametrize("origin", sorted(set(EditState) - FIRST_ORIGINS - {S}))
@pytest.mark.parametrize("event", EditEvent)
def test_states_a_resend_never_becomes_pending_or_failed(
    origin: EditState,
    event: EditEvent,
) -> None:
    if (S, event) in EDIT_MOVES:
        assert move_edit(S, event, origin) not in {P, F}


def test_states_every_end_of_an_attempt_ends_its_flight() -> None:
    for event in ENDS:
        for origin in (P, F, U, E):
            assert move_edit(S, event, origin) is not S


@given(st.lists(st.sampled_from(EditEvent), max_size=30))
def test_states_paid_edits_are_sent_again_only_by_a_permit(events: list[EditEvent]) -> None:
    state, origin = P, P
    for event in events:
        before = state
        try:
            state = move_edit(state, event, origin)
        except IllegalMoveError:
            continue
        if event is EditEvent.PERMITTED:
            origin = before
        if before is E:
            assert state is E or event is EditEvent.PERMITTED
        if state is S:
            assert event in {EditEvent.PERMITTED, EditEvent.ANSWERED_LATE}


A = AttemptState
ATTEMPTS = {
    (A.RESERVED, EditEvent.ANSWERED): A.PAID,
    (A.RESERVED, EditEvent.RETRIABLE): A.UNPAID,
    (A.RESERVED, EditEvent.REFUSED): A.UNPAID,
    (A.RESERVED, EditEvent.DOUBTED): A.UNCERTAIN,
    (A.RESERVED, EditEvent.ANSWERED_LATE): A.PAID,
    (A.UNCERTAIN, EditEvent.ANSWERED_LATE): A.PAID,
    (A.UNPAID, EditEvent.ANSWERED_LATE): A.PAID,
    (A.PAID, EditEvent.ANSWERED_LATE): A.PAID,
    (A.UNCERTAIN, EditEvent.SETTLED_PAID): A.PAID,
    (A.UNCERTAIN, EditEvent.SETTLED_UNPAID): A.UNPAID,
}


@pytest.mark.parametrize("state", AttemptState)
@pytest.mark.parametrize("event", EditEvent)
def test_states_attempts_move_as_told_and_no_other_way(
    state: AttemptState,
    event: EditEvent,
) -> None:
    wanted = ATTEMPTS.get((state, event))
    if wanted is None:
        with pytest.raises(IllegalMoveError, match="attempt"):
            move_attempt(state, event)
    else:
        assert move_attempt(state, event) is wanted


def test_states_money_that_was_paid_stays_paid() -> None:
    assert {to for (state, _), to in ATTEMPT_MOVES.items() if state is A.PAID} == {A.PAID}


W, D, L = PlacementState
PLACEMENTS = {
    (W, PlacementEvent.PLACED): D,
    (W, PlacementEvent.GIVEN_UP): L,
    (W, PlacementEvent.WANTED): W,
    (D, PlacementEvent.WANTED): W,
    (L, PlacementEvent.WANTED): W,
}


@pytest.mark.parametrize("state", PlacementState)
@pytest.mark.parametrize("event", PlacementEvent)
def test_states_placements_move_as_told_and_no_other_way(
    state: PlacementState,
    event: PlacementEvent,
) -> None:
    wanted = PLACEMENTS.get((state, event))
    if wanted is None:
        with pytest.raises(IllegalMoveError, match="placement"):
            move_placement(state, event)
    else:
        assert move_placement(state, event) is wanted


def test_states_tables_hold_no_move_beyond_those_told() -> None:
    assert set(EDIT_MOVES) == set(EDITS) | {(S, event) for event in FLIGHTS}
    assert set(ATTEMPT_MOVES) == set(ATTEMPTS)
    assert set(PLACEMENT_MOVES) == set(PLACEMENTS)


def test_states_the_diagram_draws_the_moves_of_a_first_sending() -> None:
    """The docstring's arrows: what they join is in the table, and what they say of it."""
    text = states.__doc__ or ""
    drawn = re.search(r"an edit +(\w+) ──▶ (\w+) ──▶ (\w+) ", text)
    assert drawn is not None
    assert drawn.groups() == (P, S, E)
    ends = re.findall(r"└─+▶ (\w+)", text)
    assert ends == [U, F]
    assert "└── retry ──┘" in text
    assert re.search(r"a placement +waiting ──▶ saved \| lost", text) is not None
    firsts = {first for (state, _), (first, _) in EDIT_MOVES.items() if state is S} - {S, ORIGIN}
    assert firsts == {E, U, F, P}
    assert {to for (state, _), to in PLACEMENT_MOVES.items() if state is W} == {W, D, L}
