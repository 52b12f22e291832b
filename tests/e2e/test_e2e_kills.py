"""SIGKILL at random moments, resumed until done: the books say whether anything is paid twice."""

from __future__ import annotations

import os
from random import Random
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Desk

KILLS = int(os.environ.get("SOAK_KILLS", "20"))
"""How often a run is killed; `make soak` asks for a hundred."""

ITEMS = 25
IN_FLIGHT = 0.8
"""The share of kills that come once the plan stands; the others, whenever they come."""

SEED = 20_260_101


@pytest.mark.timeout(60 + 10 * KILLS)
def test_no_edit_is_paid_twice_though_runs_are_killed_at_random_moments(
    desk_with: Callable[..., Desk],
) -> None:
    desk = desk_with(latency=(0.05, 0.4), seed=SEED)
    random = Random(SEED)  # noqa: S311 - repeatable, not secret
    kills = batches = uncertain = 0
    while kills < KILLS:
        desk.out = desk.folder / f"out{batches}"
        desk.rows(*desk.items(ITEMS, shade=1_000 * batches, stem=f"b{batches}-"))
        killed, held = _killed_until_done(desk, random, KILLS - kills)
        kills, uncertain, batches = kills + killed, uncertain + held, batches + 1

    desk.house.wait_in_flight(0)
    books = desk.house.books()
    print(  # noqa: T201 - the figure that is claimed
        f"{kills} kills in {batches} runs of {ITEMS} edits: {books['billed']} billed,"
        f" none twice, {uncertain} uncertain",
    )
    assert {edit["posts"] for edit in books["edits"].values()} == {1}
    assert {edit["billed"] for edit in books["edits"].values()} == {1}


def _killed_until_done(desk: Desk, random: Random, most: int) -> tuple[int, int]:
    """One batch, killed and resumed until a run ends: kills, and edits that stay uncertain."""
    billed_before = desk.house.books()["billed"]
    kills = 0
    while kills < min(most, 7):
        run = desk.start("--concurrency", 8, "--rate", 60)
        if random.random() < IN_FLIGHT:
            run.says("planned:")
            wait = random.uniform(0.0, 0.5)
        else:
            wait = random.uniform(0.1, 1.1)
        try:
            run.process.wait(wait)
        except TimeoutExpired:
            run.kill()
            kills += 1
        else:
            break
    ended = desk.run()
    desk.house.wait_in_flight(0)
    items = ended.items
    assert items["saved"] + items.get("uncertain", 0) == ITEMS
    assert len(desk.results()) == items["saved"]
    assert all(desk.result(name) for name in desk.results())
    assert desk.left_over() == []
    billed = desk.house.books()["billed"] - billed_before
    spent, exposure = ended.cost["ledger_total"], ended.cost["exposure"]
    assert spent <= desk.prices(billed) <= round(spent + exposure, 6)
    held = items.get("uncertain", 0)
    assert round(exposure, 6) == desk.prices(held)
    _nothing_is_sent_again(desk, ended.status)
    return kills, held


def _nothing_is_sent_again(desk: Desk, status: int) -> None:
    posts = desk.house.posts()
    assert desk.run().status == status
    assert desk.house.posts() == posts
