"""A source that changes while a run goes is keyed anew once, and then left for the next run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.paths import fold
from qwenbatch.core.plan import DraftRow, Fate, Judged, KeyedRow
from qwenbatch.core.sources import Problem
from qwenbatch.core.states import EditState
from qwenbatch.engine.run import Run
from qwenbatch.ledger.agenda import Agenda
from tests.engine.conftest import FakeGateway, edit_of, edited
from tests.engine.gallery import Gallery

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import World

pytestmark = pytest.mark.anyio


class FakeRekeyer:
    """Finds a source as a test says."""

    def __init__(self, found: Problem) -> None:
        self._found = found

    async def rekey(self, keyed: KeyedRow) -> KeyedRow | Problem:
        assert keyed.key
        return self._found


async def approve(_: object) -> bool:
    raise AssertionError("there are no canaries to approve of")


async def left_by_run(world: World, folder: Path, found: Problem) -> tuple[str, str | None] | None:
    """Run one edit whose source is no longer what was keyed; how it stands then."""
    gallery = Gallery(world, folder)
    edit = edit_of(1)
    draft = DraftRow(row=edit.keyed.row, keyed=edit.keyed, path="1.png", fold=fold("1.png"))
    gallery.plan.add([draft])
    gallery.plan.judge([Judged(number=1, fate=Fate.SEND, expected=EditState.PENDING)])
    governor = world.governor()
    run = Run(
        conductor=world.conductor(FakeGateway([edited()], changed=True), governor),
        placer=gallery.placer(),
        governor=governor,
        agenda=Agenda(world.writer),
        book=gallery.book,
        rekeyer=FakeRekeyer(found),
        lives=4,
        canaries=0,
        approve=approve,
        report=world.report,
    )
    await run()
    fault = world.writer.now(lambda db: db.execute("SELECT fault FROM temp.rows").get)
    state = world.state(edit)
    assert (state is None) == (fault is not None)
    return state


async def test_run_leaves_pending_what_does_not_come_to_rest(world: World, tmp_path: Path) -> None:
    found = Problem("it changed while it was read", passing=True)
    assert await left_by_run(world, tmp_path / "out", found) == ("pending", "source_changed")


async def test_run_refuses_what_is_no_picture_any_more(world: World, tmp_path: Path) -> None:
    assert await left_by_run(world, tmp_path / "out", Problem("it is empty")) is None
