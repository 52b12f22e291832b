"""Runs in which everything happens at once: changed items, faults, flags, signals, deaths.

After each of them the ledger's totals must be the sums of its rows, its money must hold what the
sandbox billed, and nothing may be paid twice that nobody asked for.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from random import Random
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any

import pytest

from qwenbatch.ledger.auditing import miscounts
from qwenbatch.ledger.database import open_reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Desk, Started

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "6"))
"""Runs of each storm; `make soak` asks for more."""

ITEMS = 12
FAULTS = (
    "throttled",
    "moderated",
    "server_error",
    "gave_up",
    "cut_off",
    "unreachable",
    "unreadable",
    "answer_html",
    "answer_cut",
    "result_corrupt",
    "result_cut",
    "result_limited",
)
FLAGS = (
    (),
    ("--retry-failed",),
    ("--overwrite",),
    ("--max-cost", "0.3"),
    ("--limit", "7"),
    ("--sidecar",),
    ("--concurrency", "2"),
)
RESENDS = (("--resend-uncertain",), ("--resend-lost",), ("--resend-uncertain", "--retry-failed"))
SIGNALS = (
    (),
    (),
    (signal.SIGINT,),
    (signal.SIGTERM,),
    (signal.SIGINT, signal.SIGINT),
    (signal.SIGKILL,),
)

_MONEY = """
    SELECT ifnull(sum(price) FILTER (WHERE state = 'paid'), 0),
           ifnull(sum(price) FILTER (WHERE state <> 'unpaid'), 0)
    FROM attempts
"""
_MAYBE_TWICE = """
    SELECT ifnull(sum(more), 0) FROM (
        SELECT max(0, count(*) - 1) AS more FROM attempts WHERE state <> 'unpaid' GROUP BY edit)
"""


@dataclass
class Storm:
    """What a user, a gateway and a machine may do between and during runs."""

    desk: Desk
    random: Random
    items: list[dict[str, Any]]
    shade: int = 10_000
    told: list[str] = field(default_factory=list)

    def change(self) -> None:
        """Some change to the items or their results, or none."""
        item = self.random.choice(self.items)
        match self.random.randrange(6):
            case 0:
                self.shade += 1
                self.desk.picture(item["image"], self.shade)
                self._tell(f"{item['image']} is another picture")
            case 1:
                self.shade += 1
                item["instruction"] = f"mirror {self.shade}"
                self._tell(f"{item['image']} has another instruction")
            case 2:
                self.random.shuffle(self.items)
                self._tell("the rows are in another order")
            case 3:
                for path in self._results():
                    path.unlink()
                    self._tell(f"{path.name} is deleted")
            case 4:
                for path in self._results():
                    path.write_bytes(path.read_bytes() + b"\0")
                    self._tell(f"{path.name} is altered")
            case _:
                pass
        self.desk.rows(*self.items)

    def run(self, flags: tuple[str, ...]) -> Started:
        """A run with faults ahead, perhaps ended by signals, until it is over."""
        for _ in range(self.random.randrange(4)):
            fault = self.random.choice(FAULTS)
            self.desk.house.fail(fault)
            self._tell(f"the gateway: {fault}")
        signals = self.random.choice(SIGNALS)
        self._tell(f"run {' '.join(flags)}, then {[one.name for one in signals]}")
        run = self.desk.start("--concurrency", 8, "--rate", 80, *flags)
        for one in signals:
            run.says("planned:")
            try:
                run.process.wait(self.random.uniform(0.0, 0.6))
            except TimeoutExpired:
                run.send(one)
        run.process.wait(60)
        self.desk.house.mend()
        self.desk.house.wait_idle()
        return run

    def _results(self) -> list[Path]:
        files = sorted(self.desk.out.glob("*.png"))
        return [self.random.choice(files)] if files else []

    def _tell(self, what: str) -> None:
        self.told.append(what)


@pytest.mark.parametrize("asks", [False, True], ids=["nothing resent", "resends asked for"])
@pytest.mark.timeout(60 + 30 * ROUNDS)
def test_a_storm_leaves_totals_that_are_sums_and_money_that_is_right(
    desk_with: Callable[..., Desk],
    *,
    asks: bool,
) -> None:
    random = Random(20_260_301 + asks)  # noqa: S311 - repeatable, not secret
    desk = desk_with(latency=(0.02, 0.3), seed=7)
    storm = Storm(desk, random, desk.items(ITEMS))
    for _ in range(ROUNDS):
        storm.change()
        run = storm.run(random.choice((*FLAGS, *RESENDS) if asks else FLAGS))
        if run.process.returncode >= 0:
            run.wait()
            assert run.process.returncode != 1, storm.told
        _holds(storm, asks=asks)
    ended = desk.run("--overwrite", "--retry-failed")
    _holds(storm, asks=asks)
    assert ended.items["total"] == ITEMS, storm.told
    assert not {"failed", "invalid", "pending"} & ended.items.keys(), (ended.told, storm.told)


def _holds(storm: Storm, *, asks: bool) -> None:
    desk, told = storm.desk, storm.told
    ledger = desk.out / ".qwenbatch" / "ledger.db"
    if not ledger.exists():
        return
    db = open_reader(ledger)
    try:
        assert list(miscounts(db)) == [], told
        paid, perhaps = db.execute(_MONEY).get
        maybe_twice = db.execute(_MAYBE_TWICE).get
    finally:
        db.close()
    books = desk.house.books()
    assert paid <= books["billed"] * 55_000 <= perhaps, told
    twice = sum(max(0, edit["billed"] - 1) for edit in books["edits"].values())
    assert twice <= (maybe_twice if asks else 0), told
