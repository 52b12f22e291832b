"""A run that cannot begin: usage, configuration, somebody else's ledger. Stdout stays empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Desk, Ended


def without_key(desk: Desk) -> Ended:
    environment = {**desk.environment}
    del environment["QWENBATCH_API_KEY"]
    return desk.run(env=environment)


REFUSALS: dict[str, tuple[Callable[[Desk], Ended], str]] = {
    "no key": (without_key, "QWENBATCH_API_KEY"),
    "an unknown option": (lambda desk: desk.run("--no-such-option"), "--no-such-option"),
    "a price of nothing": (lambda desk: desk.run("--price", 0), "--price"),
    "a manifest that is missing": (lambda desk: desk.run(source="none.csv"), "none.csv"),
    "a folder without instruction": (lambda desk: desk.run(source="."), "instruction"),
    "no OUT, off a terminal": (lambda desk: desk.run(out=False), "-o"),
    "a gateway that is no address": (lambda desk: desk.run("--gateway", "here"), "--gateway"),
    "a template with an unknown field": (lambda desk: desk.run("--name", "{nose}"), "{nose}"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_run_that_makes_no_sense_is_refused_in_words(desk: Desk, case: str) -> None:
    command, word = REFUSALS[case]
    desk.rows(*desk.items(1))

    ended = command(desk)

    assert (ended.status, ended.stdout) == (2, "")
    assert word in ended.stderr
    assert len(ended.stderr.splitlines()) <= 2
    assert desk.house.posts() == 0


def test_a_ledger_of_another_service_is_refused(desk: Desk) -> None:
    desk.rows(*desk.items(1))
    assert desk.run("--sandbox", gateway=False).status == 0

    ended = desk.run()
    checked = desk.check()

    assert (ended.status, ended.stdout) == (2, "")
    assert (checked.status, checked.stdout) == (2, "")
    assert "sandbox" in ended.stderr
    assert desk.house.posts() == 0


def test_two_runs_at_once_are_one_too_many(slow_desk: Desk) -> None:
    slow_desk.rows(*slow_desk.items(1))
    first = slow_desk.start()
    slow_desk.house.wait_in_flight(1)

    second = slow_desk.run()
    checked = slow_desk.check()

    assert (second.status, second.stdout) == (10, "")
    assert f"process {first.pid} " in second.stderr
    assert slow_desk.house.posts() == 1
    # What a living run has in flight is neither uncertain nor to be sent again.
    assert checked.items == {"total": 1, "pending": 1}

    first.kill()
    after = slow_desk.run()

    assert (after.status, after.items) == (4, {"total": 1, "uncertain": 1})
    assert slow_desk.house.posts() == 1
