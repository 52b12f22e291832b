"""Settings are the command line's options, read as it reads them."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import qwenbatch
from qwenbatch.cli.options import OPTIONS, Purpose
from qwenbatch.core.budget import Budget, Caps, Period
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.plan import Asked
from qwenbatch.core.verdicts import Kind
from qwenbatch.wiring.settings import RunSettings


def told(**given: Any) -> RunSettings:
    return qwenbatch.Settings(**given).of_run(Path("shop.csv"), Path("out"))


def test_settings_are_the_options_of_a_run_but_for_what_is_shown_asked_or_only_typed() -> None:
    options = {
        row.field
        for row in OPTIONS.values()
        if row.option.purpose is not Purpose.OUTPUT and not row.option.only_typed
    }
    assert {field.name for field in fields(qwenbatch.Settings)} == options - {
        "out",
        "yes",
        "engine",
        "address",
    }


def test_settings_have_the_defaults_of_the_command_line() -> None:
    assert told() == RunSettings(source=Path("shop.csv"), out=Path("out"))


def test_settings_read_amounts_periods_durations_and_kinds() -> None:
    read = told(
        max_cost=Decimal("2.50"),
        budget="5/day",
        price=0.045,
        max_duration=timedelta(hours=1.5),
        ledger=Path("ledger.db"),
        retry_kind=["moderated", "invalid"],
    )
    assert read.caps == Caps(
        max_cost=MicroUSD(2_500_000), budget=Budget(MicroUSD(5_000_000), Period.DAY)
    )
    assert (read.price, read.max_duration) == (45_000, 5400.0)
    assert read.ledger == Path("ledger.db")
    kinds = frozenset({Kind.MODERATED, Kind.INVALID})
    assert read.asked == Asked(retry_failed=True, retry_kinds=kinds)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_cost": "25,5"}, "max_cost: '25,5' is no amount"),
        ({"max_cost": -1}, "max_cost: '-1' is no amount"),
        ({"max_cost": ""}, "max_cost: '' is no amount"),
        ({"max_cost": True}, "max_cost: 'true' is no amount"),
        ({"budget": "5"}, "budget: '5' is no budget"),
        ({"concurrency": 0}, "concurrency: 0 is not from 1"),
        ({"rate": float("inf")}, "rate: inf makes no sense"),
        ({"until": "25:00"}, "until: "),
        ({"retry_kind": ["moderatd"]}, "did you mean moderated"),
        ({"sandbox": True, "gateway": "https://example.com/edit"}, "exclude each other"),
    ],
)
def test_settings_that_make_no_sense_are_named_before_anything_is_made(
    given: dict[str, Any], words: str, tmp_path: Path
) -> None:
    settings = qwenbatch.Settings(**given)
    with pytest.raises(qwenbatch.UsageError, match=words):
        qwenbatch.open(tmp_path / "out", settings)
    with pytest.raises(qwenbatch.UsageError, match=words):
        qwenbatch.run([], out=tmp_path / "out", settings=settings)
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QWENBATCH_API_KEY", raising=False)
    monkeypatch.delenv("QWENBATCH_API_KEY_FILE", raising=False)
    with pytest.raises(qwenbatch.UsageError, match="there is no key for the gateway"):
        qwenbatch.run([], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
