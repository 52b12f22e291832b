from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qwenbatch.cli.app import command
from qwenbatch.core.plan import Asked
from qwenbatch.ledger.lock import locked

if TYPE_CHECKING:
    from collections.abc import Callable

    Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Call `qwenbatch` with arguments; its exit status and all that it wrote."""

    def run(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        status = command([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return status, written.out + written.err

    return run


@pytest.fixture
def doubtful(shop: Any) -> Any:
    """A shop with one saved edit and one that may have been paid."""
    shop.picture("a.jpg")
    source = shop.manifest(
        "shop.jsonl",
        {"image": "a.jpg", "instruction": "sepia", "output": "one.png"},
        {"image": "a.jpg", "instruction": "vague", "output": "two.png"},
    )
    summary, posts = shop.run(source, doubt="vague")
    assert (summary.items.uncertain, posts) == (1, 2)
    return shop


def test_settle_as_paid_sends_nothing_unasked_and_only_on_request(doubtful: Any, say: Say) -> None:
    status, told = say("settle", doubtful.out, "--as", "paid")
    assert status == 0
    assert "1 attempt settled as paid: $0.055" in told
    assert "1 path without a result" in told
    assert "left: nothing is uncertain" in told
    summary, posts = doubtful.run(doubtful.folder / "shop.jsonl")
    assert (summary.items.lost, posts) == (1, 0)
    summary, posts = doubtful.run(doubtful.folder / "shop.jsonl", asked=Asked(resend_lost=True))
    assert (summary.items.saved, posts) == (2, 1)


def test_settle_as_unpaid_lets_the_next_run_send_it(doubtful: Any, say: Say) -> None:
    status, told = say("settle", doubtful.out, "--as", "unpaid")
    assert (status, "1 edit pending now" in told) == (0, True)
    summary, posts = doubtful.run(doubtful.folder / "shop.jsonl")
    assert (summary.items.saved, posts) == (2, 1)


def test_settle_dry_run_changes_nothing(doubtful: Any, say: Say) -> None:
    before = (doubtful.out / ".qwenbatch/ledger.db").read_bytes()
    status, told = say("settle", doubtful.out, "--as", "paid", "--dry-run")
    assert (status, told.startswith("dry run: nothing was changed")) == (0, True)
    assert "1 attempt settled as paid" in told
    assert (doubtful.out / ".qwenbatch/ledger.db").read_bytes() == before
    assert "1 attempt settled" in say("settle", doubtful.out, "--as", "paid")[1]


def test_settle_says_so_when_there_is_nothing(doubtful: Any, say: Say) -> None:
    status, told = say("settle", doubtful.out, "--as", "paid", "--day", "2001-02-03")
    assert (status, told.splitlines()[0]) == (
        0,
        "nothing to settle: no such attempt is uncertain",
    )
    assert "left: 1 uncertain attempt, perhaps paid: $0.055" in told


def test_settle_is_refused_while_a_run_holds_the_ledger(doubtful: Any, say: Say) -> None:
    with locked(doubtful.out / ".qwenbatch/ledger.db.lock"):
        status, told = say("settle", doubtful.out, "--as", "paid")
    assert (status, "another run holds this ledger: process" in told) == (10, True)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--as", "free"),
        ("--as", "paid", "--edit", "abc1234"),
        ("--as", "paid", "--edit", "ghijklmn"),
        ("--as", "paid", "--edit", "00000000"),
        ("--as", "paid", "--day", "21.11.2026"),
        ("--as", "paid", "--day", "2026-02-30"),
    ],
)
def test_settle_refuses_what_makes_no_sense(
    doubtful: Any, say: Say, arguments: tuple[str, ...]
) -> None:
    status, told = say("settle", doubtful.out, *arguments)
    assert (status, "Traceback" in told) == (2, False)
    assert (
        "left: 1 uncertain"
        in say("settle", doubtful.out, "--as", "paid", "--dry-run", "--day", "2001-01-01")[1]
    )


def test_settle_needs_a_ledger_and_makes_none(shop: Any, say: Say) -> None:
    status, told = say("settle", shop.out, "--as", "paid")
    assert (status, "there is no ledger" in told) == (2, True)
    assert not shop.out.exists()
