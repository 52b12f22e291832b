"""How a person reads last night: what happened in a ledger since a moment."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from qwenbatch.cli.parsing import since
from qwenbatch.core.plan import Asked
from qwenbatch.errors import UsageError
from qwenbatch.ledger import runs
from qwenbatch.ledger.database import create_or_open
from qwenbatch.ledger.lock import locked
from tests.cli.conftest import utc

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Shop

    Call = Callable[..., str]

LONG_AGO = 1_600_000_000_000
"""Milliseconds: before every moment that is asked for in here."""


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("now", "asked", "moment"),
    [
        ("2026-06-10 10:00", "today", "2026-06-09 22:00"),
        ("2026-06-10 10:00", " Yesterday ", "2026-06-08 22:00"),
        ("2026-06-09 22:30", "today", "2026-06-09 22:00"),  # already the 10th in Berlin
        ("2026-03-30 10:00", "yesterday", "2026-03-28 23:00"),  # a day of 23 hours
        ("2026-06-10 10:00", "2026-01-05", "2026-01-04 23:00"),
        ("2026-06-10 10:00", "24h", "2026-06-09 10:00"),
        ("2026-06-10 10:00", "7d", "2026-06-03 10:00"),
        ("2026-06-10 10:00", "1h30m", "2026-06-10 08:30"),
    ],
)
def test_since_is_told_in_days_of_the_local_clock(now: str, asked: str, moment: str) -> None:
    assert since(asked, utc(now).astimezone()) == utc(moment).timestamp()


@pytest.mark.parametrize(
    "wrong",
    [
        "", "last week", "2026-13-01", "2026-6-1", "24", "7 days", "-1d", "9999d", "2099-01-01",
        "0001-01-01x", "20260101",
    ],
)  # fmt: skip
def test_since_that_is_no_time_is_refused_by_what_was_said(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"is no day|is no time|still to come|a second and a year"):
        since(wrong, utc("2026-06-10 10:00").astimezone())


def test_status_refuses_a_bad_since_in_one_message(shop: Shop, call: Call) -> None:
    with pytest.raises(UsageError, match="--since: 'noon' is no day") as refused:
        call("status", shop.out, "--since", "noon")

    assert refused.value.advice == "see `qwenbatch status --help`"


def told(call: Call, shop: Shop, when: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call("status", shop.out, "--json", "--since", when))["since"]
    return found


@pytest.fixture
def night(shop: Shop) -> Path:
    shop.picture("a.jpg")
    return shop.manifest(
        "m.jsonl",
        {"image": "a.jpg", "instruction": "mirror"},
        {"image": "a.jpg", "instruction": "naughty", "output": "b.png"},
        {"image": "a.jpg", "instruction": "dubious", "output": "c.png"},
    )


def age(shop: Shop) -> None:
    """Move all that the ledger and the disk tell far into the past."""
    db = create_or_open(shop.out / ".qwenbatch" / "ledger.db", service="pixazo")
    db.execute("UPDATE runs SET started_at = :ago, ended_at = :ago", {"ago": LONG_AGO})
    db.execute("UPDATE attempts SET sent_at = :ago, ended_at = :ago", {"ago": LONG_AGO})
    for path in shop.out.glob("*.png"):
        os.utime(path, (LONG_AGO // 1000, LONG_AGO // 1000))
        db.execute("UPDATE placements SET mtime = ?", (path.stat().st_mtime_ns,))
    db.close()


def test_status_since_tells_runs_items_failures_and_money(
    shop: Shop, call: Call, night: Path
) -> None:
    shop.run(night, refuse="naughty", doubt="dubious")

    lately = told(call, shop, "24h")

    (run,) = lately["runs"]
    assert (run["exit_status"], run["stopped_by"], run["spent"]) == (4, None, 0.055)
    assert lately["more_runs"] == 0
    assert lately["items"] == {"saved": 1, "failed": 1, "uncertain": 1, "lost": 0, "pending": 0}
    assert lately["failures"] == {"gave_up": 1, "moderated": 1}
    assert lately["edits"] == {"attempts": 3, "paid": 1}
    assert lately["cost"] == {"currency": "USD", "spent": 0.055, "exposure": 0.055}
    assert lately["moment"].endswith("Z")


def test_status_without_since_says_so_in_json(shop: Shop, call: Call, night: Path) -> None:
    shop.run(night)

    assert json.loads(call("status", shop.out, "--json"))["since"] is None


def test_status_since_leaves_out_what_was_before(shop: Shop, call: Call, night: Path) -> None:
    shop.run(night, refuse="naughty", doubt="dubious")
    age(shop)

    before = told(call, shop, "7d")
    assert (before["runs"], before["failures"]) == ([], {})
    assert set(before["items"].values()) == {0}
    assert before["edits"] == {"attempts": 0, "paid": 0}

    shop.run(night, asked=Asked(retry_failed=True))
    lately = told(call, shop, "7d")
    assert len(lately["runs"]) == 1
    assert lately["items"] == {"saved": 1, "failed": 0, "uncertain": 0, "lost": 0, "pending": 0}
    assert (lately["cost"]["spent"], lately["cost"]["exposure"]) == (0.055, 0.0)


def test_status_since_in_words_ends_in_how_all_stands_now(
    shop: Shop, call: Call, night: Path
) -> None:
    shop.run(night, refuse="naughty", doubt="dubious")

    lines = call("status", shop.out, "--since", "yesterday").splitlines()

    text = "\n".join(lines)
    assert "(local time): 1 run" in lines[1]
    assert "1 of 3 items saved, $0.055 spent (3 attempts), finished, some edits uncertain" in text
    assert "  1 item saved, 1 failed, 1 uncertain" in lines
    assert "    1 moderated: refused by the service's content inspection: not paid" in lines
    assert "  perhaps paid: $0.055 for edits sent since" in lines
    assert lines[lines.index("now, over all:") + 1] == "1  saved"
    assert "last runs" not in text


def test_status_since_tells_a_run_that_goes_on_from_before(
    shop: Shop, call: Call, night: Path
) -> None:
    shop.run(night)
    age(shop)
    own = shop.out / ".qwenbatch"
    db = create_or_open(own / "ledger.db", service="pixazo")
    with db:
        runs.begin(db, name="long", manifest=str(night), spooled=(), now=LONG_AGO)
    db.close()

    assert told(call, shop, "24h")["runs"] == []
    with locked(own / "ledger.db.lock"):
        (run,) = told(call, shop, "24h")["runs"]
        assert run["run"] == "long"
        assert ", running\n" in call("status", shop.out, "--since", "24h")
