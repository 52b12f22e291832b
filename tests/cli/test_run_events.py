"""What a run tells whoever watches it, and what it no longer needs once it is planned."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from qwenbatch.core.events import AttemptEnded, Planned, ResultLost
from qwenbatch.core.plan import Asked
from qwenbatch.core.settling import Chosen, Ruling
from qwenbatch.wiring.settling import settle_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.core.events import Event
    from tests.cli.conftest import Shop


def shared(shop: Shop) -> Path:
    """A manifest two of whose three items share an edit, and one of those its path too."""
    shop.picture("a.jpg")
    return shop.manifest(
        "m.jsonl",
        {"image": "a.jpg", "instruction": "dubious", "output": "a.png"},
        {"image": "a.jpg", "instruction": "dubious", "output": "a.png"},
        {"image": "a.jpg", "instruction": "dubious", "output": "b.png"},
    )


def test_run_needs_its_manifest_no_longer_once_it_is_planned(shop: Shop) -> None:
    source = shared(shop)

    def watch(event: Event) -> None:
        if isinstance(event, Planned):
            source.unlink()

    summary, _ = shop.run(source, report=watch)

    assert (summary.items.saved, source.exists()) == (3, False)


def test_run_tells_items_cost_and_exposure_as_they_come(
    shop: Shop,
) -> None:
    source, events = shared(shop), list[object]()
    shop.run(source, doubt="dubious", report=events.append)
    shop.run(source, report=events.append)

    first, second = [event for event in events if isinstance(event, Planned)]
    assert (first.exposure, second.exposure) == (0, 55_000)
    (ended,) = [event for event in events if isinstance(event, AttemptEnded)]
    assert (ended.items, ended.cost, ended.kind) == (3, 55_000, "gave_up")

    settle_ledger(shop.out, Ruling.PAID, Chosen(), ledger=None, dry_run=False, to=StringIO())
    events.clear()
    shop.run(source, doubt="dubious", asked=Asked(resend_lost=True), report=events.append)
    lost = {event.path: event.items for event in events if isinstance(event, ResultLost)}
    assert lost == {"a.png": 2, "b.png": 1}
