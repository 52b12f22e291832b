from __future__ import annotations

from itertools import product

import pytest

from qwenbatch.core.occupancy import REFUSALS, Claim, Occupant, claim
from qwenbatch.core.outcomes import ItemState
from qwenbatch.core.plan import Asked, Fate, Standing, failure_of, fate_of, is_final, state_of
from qwenbatch.core.results import Trouble, is_lost
from qwenbatch.core.states import EditState, PlacementState
from qwenbatch.core.verdicts import Kind

P, S, E, U, F = EditState
WAITING, SAVED, LOST = PlacementState
NOT_ASKED = Asked()
FREE = (Claim.FREE, Claim.REPLACE, Claim.OVERWRITE)
EVERYTHING = Asked(resend_uncertain=True, resend_lost=True, retry_failed=True)
STANDINGS = [
    Standing(edit=edit, kind=kind, placement=placement)
    for edit, kind, placement in product(
        (None, *EditState),
        (None, Kind.MODERATED, Kind.CUT_OFF),
        (None, *PlacementState),
    )
]


@pytest.mark.parametrize("standing", STANDINGS)
@pytest.mark.parametrize("asked", [NOT_ASKED, EVERYTHING])
def test_fate_of_refused_and_placed_paths_needs_no_look_at_the_edit(
    standing: Standing,
    asked: Asked,
) -> None:
    assert fate_of(standing, Claim.INVALID, asked) is Fate.INVALID
    assert fate_of(standing, Claim.DONE, asked) is Fate.SAVED


@pytest.mark.parametrize("path", FREE)
@pytest.mark.parametrize(
    ("edit", "placement", "unasked", "asked"),
    [
        (None, None, Fate.SEND, Fate.SEND),
        (P, None, Fate.SEND, Fate.SEND),
        (P, WAITING, Fate.SEND, Fate.SEND),
        (E, None, Fate.PLACE, Fate.PLACE),
        (E, WAITING, Fate.PLACE, Fate.PLACE),
        (E, SAVED, Fate.PLACE, Fate.PLACE),
        (E, LOST, Fate.HELD, Fate.RESEND_LOST),
        (U, None, Fate.HELD, Fate.SEND),
        (U, WAITING, Fate.HELD, Fate.SEND),
        (S, WAITING, Fate.HELD, Fate.SEND),
        (F, None, Fate.HELD, Fate.SEND),
    ],
)
def test_fate_of_an_item_goes_by_its_edit_and_by_what_was_asked(
    path: Claim,
    edit: EditState | None,
    placement: PlacementState | None,
    unasked: Fate,
    asked: Fate,
) -> None:
    standing = Standing(edit=edit, kind=Kind.MODERATED, placement=placement)
    assert fate_of(standing, path, NOT_ASKED) is unasked
    assert fate_of(standing, path, EVERYTHING) is asked


@pytest.mark.parametrize(
    ("asked", "edit", "fate"),
    [
        (Asked(resend_uncertain=True), F, Fate.HELD),
        (Asked(resend_lost=True), F, Fate.HELD),
        (Asked(retry_failed=True), U, Fate.HELD),
        (Asked(resend_lost=True), U, Fate.HELD),
        (Asked(retry_kinds=frozenset({Kind.MODERATED})), F, Fate.SEND),
        (Asked(retry_kinds=frozenset({Kind.INVALID})), F, Fate.HELD),
        (Asked(retry_failed=True, retry_kinds=frozenset({Kind.INVALID})), F, Fate.HELD),
        (Asked(retry_kinds=frozenset({Kind.MODERATED})), U, Fate.HELD),
    ],
)
def test_fate_of_what_is_asked_is_that_alone(asked: Asked, edit: EditState, fate: Fate) -> None:
    standing = Standing(edit=edit, kind=Kind.MODERATED)
    assert fate_of(standing, Claim.FREE, asked) is fate


@pytest.mark.parametrize("standing", STANDINGS)
def test_fate_of_a_paid_edit_never_is_to_be_sent_unasked(standing: Standing) -> None:
    if standing.edit in {E, U, S, F}:
        for path in FREE:
            assert fate_of(standing, path, NOT_ASKED) in {Fate.PLACE, Fate.HELD}


@pytest.mark.parametrize("standing", STANDINGS)
def test_state_of_an_item_is_one_count(standing: Standing) -> None:
    assert state_of(standing, invalid=True) is ItemState.INVALID
    wanted = {
        None: ItemState.PENDING,
        P: ItemState.PENDING,
        S: ItemState.UNCERTAIN,
        U: ItemState.UNCERTAIN,
        F: ItemState.FAILED,
        E: {SAVED: ItemState.SAVED, LOST: ItemState.LOST}.get(
            standing.placement or WAITING,
            ItemState.PENDING,
        ),
    }
    assert state_of(standing, invalid=False) is wanted[standing.edit]


@pytest.mark.parametrize("standing", STANDINGS)
def test_failure_of_an_item_is_its_last_kind(standing: Standing) -> None:
    state = state_of(standing, invalid=False)
    failure = failure_of(standing, state)
    if state is ItemState.SAVED:
        assert failure is None
    elif standing.edit is E:
        assert failure is Kind.UNFETCHED
    elif standing.edit in {U, S}:
        assert failure is (standing.kind or Kind.CUT_OFF)
    else:
        assert failure is standing.kind
    assert failure_of(standing, ItemState.INVALID) is None


@pytest.mark.parametrize(
    ("occupant", "plain", "overwrite"),
    [
        (Occupant.NOTHING, Claim.FREE, Claim.FREE),
        (Occupant.THIS_RESULT, Claim.DONE, Claim.DONE),
        (Occupant.OTHER_RESULT, Claim.REPLACE, Claim.REPLACE),
        (Occupant.ALTERED, Claim.INVALID, Claim.OVERWRITE),
        (Occupant.FOREIGN, Claim.INVALID, Claim.OVERWRITE),
        (Occupant.SOURCE, Claim.INVALID, Claim.INVALID),
        (Occupant.FOLDER, Claim.INVALID, Claim.INVALID),
        (Occupant.LINK, Claim.INVALID, Claim.INVALID),
    ],
)
def test_claim_on_a_path_goes_by_what_lies_there(
    occupant: Occupant,
    plain: Claim,
    overwrite: Claim,
) -> None:
    assert claim(occupant, overwrite=False) is plain
    assert claim(occupant, overwrite=True) is overwrite
    assert (plain is Claim.INVALID) == (occupant in REFUSALS)


DAY = 24 * 3600.0


@pytest.mark.parametrize(
    ("trouble", "age", "lost"),
    [
        (Trouble.FORBIDDEN, 0.0, True),
        (Trouble.HOPELESS, DAY - 1, False),
        (Trouble.HOPELESS, DAY, True),
        (Trouble.PASSING, 0.0, False),
        (Trouble.PASSING, 365 * DAY, False),
    ],
)
def test_result_is_lost_at_once_after_a_day_or_never(
    trouble: Trouble,
    age: float,
    *,
    lost: bool,
) -> None:
    assert is_lost(trouble, age=age) is lost


@pytest.mark.parametrize("state", ItemState)
def test_an_item_is_final_once_nothing_more_will_become_of_it(state: ItemState) -> None:
    for fate in (None, Fate.SAVED, Fate.HELD, Fate.INVALID):
        assert is_final(fate, state)
    for fate in (Fate.SEND, Fate.PLACE):
        assert is_final(fate, state) is (state is not ItemState.PENDING)
    # What is lost is sent again, as asked.
    ends = {ItemState.PENDING, ItemState.LOST}
    assert is_final(Fate.RESEND_LOST, state) is (state not in ends)
