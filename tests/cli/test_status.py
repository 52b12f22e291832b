"""How a ledger stands, as a person and a program are told."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from anyio.from_thread import start_blocking_portal

from qwenbatch.cli.app import command
from qwenbatch.core.budget import Caps, parse_budget
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.paths import parse_template
from qwenbatch.core.plan import Asked
from qwenbatch.core.states import EditState
from qwenbatch.errors import LedgerError
from qwenbatch.ledger import runs
from qwenbatch.ledger.database import create_or_open
from qwenbatch.ledger.lock import locked
from qwenbatch.sandbox import Sandbox, SandboxSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Shop

    Call = Callable[..., str]


@pytest.fixture
def source(shop: Shop) -> Path:
    shop.picture("a.jpg")
    return shop.manifest(
        "m.jsonl",
        {"image": "a.jpg", "instruction": "mirror"},
        {"image": "a.jpg", "instruction": "naughty", "output": "b.png"},
        {"image": "a.jpg", "instruction": "dubious", "output": "c.png"},
        {"image": "none.jpg", "instruction": "mirror"},
    )


def told_json(call: Call, shop: Shop) -> dict[str, Any]:
    text = call("status", shop.out, "--json")
    assert text.count("\n") == 1
    told: dict[str, Any] = json.loads(text)
    return told


def die(shop: Shop, source: Path) -> None:
    """Leave a run behind that began and did not end."""
    db = create_or_open(shop.out / ".qwenbatch" / "ledger.db", service="pixazo")
    with db:
        runs.begin(db, name="dead", manifest=str(source), spooled=(), now=1_767_323_045_000)
    db.close()


def test_status_as_json_tells_counts_money_and_runs(
    shop: Shop,
    call: Call,
    source: Path,
) -> None:
    shop.run(source, refuse="naughty", doubt="dubious")

    told = told_json(call, shop)

    assert told["schema"] == 1
    assert told["ledger"]["service"] == "pixazo"
    assert told["items"] == {
        "total": 4,
        "saved": 1,
        "failed": 1,
        "invalid": 1,
        "uncertain": 1,
        "lost": 0,
        "pending": 0,
    }
    assert told["edits"] == {
        "pending": 0,
        "sending": 0,
        "edited": 1,
        "uncertain": 1,
        "failed": 1,
    }
    assert told["failures"] == {"gave_up": 1, "moderated": 1}
    assert told["cost"] == {
        "currency": "USD",
        "spent": 0.055,
        "exposure": 0.055,
        "maybe_twice": 0.0,
        "ledger_total": 0.055,
    }
    (run,) = told["runs"]
    assert (run["saved"], run["total"], run["spent"], run["attempts"]) == (1, 4, 0.055, 3)
    assert (run["source"], run["stopped_by"], run["exit_status"]) == (str(source), None, 4)


def test_status_agrees_with_the_summary_of_the_last_run(
    shop: Shop, call: Call, source: Path
) -> None:
    shop.run(source, doubt="dubious")
    summary, _ = shop.run(source, doubt="dubious", asked=Asked(resend_uncertain=True))

    told, summed = told_json(call, shop), summary.to_json()

    del summed["items"]["reused"]
    assert told["items"] == summed["items"]
    assert told["failures"] == summed["failures"]
    for name in ("exposure", "maybe_twice", "ledger_total"):
        assert told["cost"][name] == summed["cost"][name]
    assert told["cost"]["maybe_twice"] == 0.055


def test_status_in_words_names_the_commands_that_end_an_exposure(
    shop: Shop,
    call: Call,
    source: Path,
) -> None:
    shop.run(source, refuse="naughty", doubt="dubious")

    told = call("status", shop.out)

    assert f"qwenbatch settle {shop.out} --as 'paid|unpaid'" in told
    assert f"qwenbatch run {source} -o {shop.out} --gateway=http" in told
    for words in (
        "1  saved",
        "1  failed",
        "1  uncertain",
        "1  invalid",
        "1 moderated: refused by the service's content inspection",
        "$0.055 spent in all",
        "perhaps paid: $0.055",
        "1 of 4 items saved",
        "finished, some edits uncertain",
    ):
        assert words in told


def test_status_names_no_command_where_nothing_is_in_doubt(
    shop: Shop, call: Call, source: Path
) -> None:
    shop.run(source)

    told = call("status", shop.out)

    assert "settle" not in told
    assert "--resend" not in told
    assert "finished, not every item saved" in told


def test_status_names_a_command_that_sends_the_same_edits_again(
    shop: Shop,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop.picture("in/a b.jpg")
    summary, _ = shop.run(
        shop.folder / "in",
        instruction="it's dubious",
        doubt="dubious",
        ledger=shop.folder / "books" / "shop.db",
        negative_prompt="-blur {",
        watermark=True,
        name=parse_template("{{x}}-{stem}"),
        limit=1,
        caps=Caps(max_cost=MicroUSD(1_204_500_000), budget=parse_budget("1234567.5/week")),
        price=MicroUSD(1),
        strict=True,
    )
    assert summary.items.uncertain == 1

    told = call("status", shop.out)
    (line,) = [line for line in told.splitlines() if "qwenbatch run" in line]
    words = shlex.split(line)
    assert words[-1] == "--resend-uncertain"
    monkeypatch.chdir("/")

    sandbox = Sandbox(SandboxSettings())
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(sandbox):
        pasted = [f"--gateway={sandbox.url}" if "--gateway=" in w else w for w in words[1:]]
        # The same edit at the same path: sent again once, and then in place.
        assert command(pasted) == 0
        assert sandbox.books.posts == 1
    assert [path.name for path in shop.out.glob("*.png")] == ["{x}-a b.png"]
    for option in ("--limit=1", "--max-cost=1,204.50", "--budget=1,234,567.50/week", "--strict"):
        assert option in words


def test_status_says_of_a_dead_run_that_it_did_not_end(
    shop: Shop, call: Call, source: Path
) -> None:
    shop.run(source)
    die(shop, source)

    assert "did not end" in call("status", shop.out)
    told = told_json(call, shop)
    assert told["runs"][0]["ended_at"] is None
    assert told["ledger"]["running"] is False


def test_status_works_while_a_run_holds_the_ledger(shop: Shop, call: Call, source: Path) -> None:
    shop.run(source)
    die(shop, source)
    own = shop.out / ".qwenbatch"

    with locked(own / "ledger.db.lock"):
        writer = create_or_open(own / "ledger.db", service="pixazo")
        writer.execute("BEGIN IMMEDIATE")
        told = call("status", shop.out)
        running = told_json(call, shop)["ledger"]["running"]
        writer.execute("ROLLBACK")
        writer.close()

    assert "a run is going on" in told
    assert ", running\n" in told
    assert running is True
    with locked(own / "ledger.db.lock"):  # it was not kept
        pass


def test_status_changes_nothing(shop: Shop, call: Call, source: Path) -> None:
    shop.run(source)
    ledger = shop.out / ".qwenbatch" / "ledger.db"
    before = ledger.read_bytes()

    call("status", shop.out)

    assert ledger.read_bytes() == before


def test_status_without_a_ledger_says_what_to_name(shop: Shop, call: Call) -> None:
    with pytest.raises(LedgerError, match="no ledger") as refused:
        call("status", shop.out)

    assert "-o" in refused.value.advice
    assert not shop.out.exists()


def test_status_shows_control_characters_of_a_path_harmlessly(shop: Shop, call: Call) -> None:
    shop.picture("a.jpg")
    row = {"image": "a.jpg", "instruction": "mirror"}
    shop.run(shop.manifest("m\x1b[31m.jsonl", row))

    told = call("status", shop.out)

    assert "\x1b" not in told
    assert "m\\x1b[31m.jsonl" in told


def test_status_names_every_state_of_an_edit(shop: Shop, call: Call, source: Path) -> None:
    shop.run(source)

    assert set(told_json(call, shop)["edits"]) == {state.value for state in EditState}
