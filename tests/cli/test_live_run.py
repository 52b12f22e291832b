"""What is in flight in a run that lives is under way; once the run is dead it is uncertain."""

from __future__ import annotations

import csv
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from qwenbatch.core.attempts import PermitRequest, attempt_id
from qwenbatch.core.budget import Caps
from qwenbatch.core.keys import EditKey
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.settling import Chosen, Ruling
from qwenbatch.core.states import EditState
from qwenbatch.errors import LedgerBusyError
from qwenbatch.ledger import edits, runs
from qwenbatch.ledger.database import create_or_open
from qwenbatch.ledger.lock import locked
from qwenbatch.wiring.auditing import tell_findings
from qwenbatch.wiring.settling import settle_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Shop

    Call = Callable[..., str]

WHEN = 1_767_323_045_000


@dataclass(frozen=True, slots=True)
class Live:
    """A shop one of whose edits was sent and not answered, under a lock that may be held."""

    shop: Shop

    @contextmanager
    def held(self) -> Iterator[None]:
        """The run lives."""
        with locked(self.shop.out / ".qwenbatch" / "ledger.db.lock"):
            yield


@pytest.fixture
def live(shop: Shop) -> Live:
    """One edit is uncertain, and sent again; another was sent for the first time."""
    shop.picture("a.jpg")
    source = shop.manifest(
        "m.jsonl",
        {"image": "a.jpg", "instruction": "mirror"},
        {"image": "a.jpg", "instruction": "dubious", "output": "b.png"},
        {"image": "a.jpg", "instruction": "naughty", "output": "c.png"},
        {"image": "a.jpg", "instruction": "dubious too", "output": "d.png"},
    )
    shop.run(source, doubt="dubious", refuse="naughty")
    db = create_or_open(shop.out / ".qwenbatch" / "ledger.db", service="pixazo")
    with db:
        run = runs.begin(
            db,
            name="live",
            manifest=str(source),
            spooled=(),
            now=WHEN,
            command=("qwenbatch", "run", str(source)),
        )
        for path, expected in (("b.png", EditState.UNCERTAIN), ("c.png", EditState.FAILED)):
            row = db.execute("SELECT key FROM items_whole WHERE path = ?", (path,)).get
            request = PermitRequest(
                key=EditKey(row),
                attempt=attempt_id("live", EditKey(row), life=1, number=1),
                price=MicroUSD(55_000),
                expected=expected,
                paths=(path,),
            )
            edits.permit(db, request, run=run, caps=Caps(), now=WHEN)
    db.close()
    return Live(shop)


def counted(told: dict[str, Any]) -> dict[str, int]:
    return {state: count for state, count in told["items"].items() if count}


def test_status_calls_what_a_living_run_sends_in_flight(live: Live, call: Call) -> None:
    with live.held():
        told = json.loads(call("status", live.shop.out, "--json"))

    assert counted(told) == {"total": 4, "saved": 1, "uncertain": 1, "pending": 2}
    assert told["ledger"]["running"] is True
    flying = told["in_flight"]
    assert (flying["pid"], flying["items"], flying["reserved"]) == (os.getpid(), 2, 0.11)
    assert told["failures"] == {"gave_up": 1}
    # What is in flight is no exposure; that of the edit sent again is, by its first attempt.
    assert told["cost"]["exposure"] == 0.11
    assert told["cost"]["maybe_twice"] == 0.0


def test_status_names_the_living_run_and_no_command_to_send_again(live: Live, call: Call) -> None:
    with live.held():
        told = call("status", live.shop.out)

    assert f"a run is going on: process {os.getpid()} on " in told
    assert "2  pending: 2 of them in flight" in told
    assert "$0.11 reserved for edits in flight" in told
    assert "once the run has ended" in told
    assert "qwenbatch run" not in told


def test_status_calls_what_a_dead_run_sent_uncertain(live: Live, call: Call) -> None:
    told = json.loads(call("status", live.shop.out, "--json"))

    assert counted(told) == {"total": 4, "saved": 1, "uncertain": 3}
    assert told["in_flight"] is None
    assert told["cost"]["exposure"] == 0.22
    assert told["cost"]["maybe_twice"] == 0.055
    assert "qwenbatch run" in call("status", live.shop.out)


def test_export_calls_what_a_living_run_sends_pending(live: Live, call: Call) -> None:
    with live.held():
        rows = list(csv.DictReader(StringIO(call("export", live.shop.out))))
        uncertain = list(
            csv.DictReader(StringIO(call("export", live.shop.out, "--state", "uncertain"))),
        )

    assert [row["state"] for row in rows] == ["saved", "pending", "pending", "uncertain"]
    assert rows[1]["reason"] == "in flight: a run is waiting for its answer"
    assert rows[1]["kind"] == ""
    assert [row["output"] for row in uncertain] == ["d.png"]
    dead = list(csv.DictReader(StringIO(call("export", live.shop.out))))
    assert [row["state"] for row in dead] == ["saved", "uncertain", "uncertain", "uncertain"]


def test_audit_finds_nothing_in_what_a_living_run_sends(live: Live) -> None:
    def uncertain() -> int:
        to = StringIO()
        tell_findings(live.shop.out, ledger=None, to=to, as_json=True)
        count: int = json.loads(to.getvalue())["counts"]["uncertain"]
        return count

    with live.held():
        assert uncertain() == 2
    assert uncertain() == 4


def test_settle_leaves_a_living_run_alone_and_names_it(live: Live) -> None:
    with live.held(), pytest.raises(LedgerBusyError, match=f"process {os.getpid()} on "):
        settle_ledger(
            live.shop.out,
            Ruling.PAID,
            Chosen(),
            ledger=None,
            dry_run=False,
            to=StringIO(),
        )
