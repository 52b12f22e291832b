"""Puts into a store that fails: a result is whole or absent, and nobody's object is overwritten."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.placements import Placement
from qwenbatch.errors import DiskError
from tests.results.conftest import png
from tests.stores.s3 import Fault

if TYPE_CHECKING:
    from tests.results.conftest import StoreRoom
    from tests.stores.s3 import Hostile

pytestmark = pytest.mark.anyio
ONE, TWO = png(10), png(200)
ALWAYS = 1_000


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PUT", "a.png", times=2, status=503, code="SlowDown"),
        Fault("PUT", "a.png", times=2, status=500, code="InternalError"),
        Fault("PUT", "a.png", status=409, code="ConditionalRequestConflict"),
        Fault("PUT", "a.png", cut=40),
        Fault("PUT", "a.png", lose=True),
        Fault("HEAD", "a.png", lose=True),
    ],
    ids=["throttled", "500", "conflict", "cut", "answer lost", "look lost"],
)
async def test_put_that_fails_in_passing_ends_in_place(
    room: StoreRoom, hostile: Hostile, fault: Fault
) -> None:
    hostile.faults.append(fault)
    _, placed = await room.put(ONE, "a.png")
    assert placed
    assert room.read("a.png") == ONE
    assert room.leftovers == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("PUT", "a.png", times=ALWAYS, status=503, code="SlowDown"), "asks for less"),
        (Fault("PUT", "a.png", times=ALWAYS, status=500, code="InternalError"), "store failed"),
        (Fault("PUT", "a.png", times=ALWAYS, status=403, code="AccessDenied"), "denies it"),
        (Fault("PUT", "a.png", times=ALWAYS, cut=40), "cannot be written"),
    ],
    ids=["throttled", "500", "denied", "cut"],
)
async def test_put_that_fails_for_good_is_a_disk_error_and_leaves_nothing(
    room: StoreRoom, hostile: Hostile, fault: Fault, words: str
) -> None:
    hostile.faults.append(fault)
    with pytest.raises(DiskError, match=words) as raised:
        await room.put(ONE, "a.png")
    assert "out/a.png" in raised.value.what
    assert not room.exists("a.png")
    assert room.leftovers == []


async def test_put_whose_answer_is_lost_takes_nobodys_object_for_its_own(
    room: StoreRoom, hostile: Hostile
) -> None:
    room.lay("a.png", b"someone's")
    hostile.faults.append(Fault("PUT", "a.png", lose=True))
    assert not (await room.put(ONE, "a.png"))[1]
    assert room.read("a.png") == b"someone's"


async def test_put_that_was_done_though_the_store_said_otherwise_is_found(
    room: StoreRoom, hostile: Hostile
) -> None:
    hostile.before("PUT", "/a.png", lambda: room.lay("a.png", ONE))
    hostile.faults.append(Fault("PUT", "a.png", status=500, code="InternalError"))
    assert (await room.put(ONE, "a.png"))[1]
    assert room.read("a.png") == ONE
    assert hostile.count("PUT") == 2


@pytest.mark.parametrize("lose", [False, True])
async def test_put_in_place_of_another_result_keeps_that(
    room: StoreRoom, hostile: Hostile, *, lose: bool
) -> None:
    await room.put(ONE, "a.png")
    refuge = ".qwenbatch/replaced/one.png"
    await room.shelf.keep("a.png", refuge)
    if lose:
        hostile.faults.append(Fault("PUT", "/a.png", lose=True))
    assert (await room.put(TWO, "a.png", displaced=("a.png", refuge)))[1]
    assert (room.read("a.png"), room.read(refuge)) == (TWO, ONE)


async def test_put_of_another_format_removes_what_it_takes_the_place_of(room: StoreRoom) -> None:
    await room.put(ONE, "a.png.jpg")
    refuge = ".qwenbatch/replaced/one.png.jpg"
    assert (await room.put(TWO, "a.png", displaced=("a.png.jpg", refuge)))[1]
    assert not room.exists("a.png.jpg")
    assert (room.read("a.png"), room.read(refuge)) == (TWO, ONE)


async def test_put_replaces_only_what_it_saw(room: StoreRoom, hostile: Hostile) -> None:
    await room.put(ONE, "a.png")
    refuge = ".qwenbatch/replaced/one.png"
    await room.shelf.keep("a.png", refuge)
    came = threading.Event()

    def meanwhile() -> None:
        if not came.is_set():
            came.set()
            room.lay("a.png", b"someone's")

    hostile.before("PUT", "/a.png", meanwhile)
    assert not (await room.put(TWO, "a.png", displaced=("a.png", refuge)))[1]
    assert came.is_set()
    assert (room.read("a.png"), room.read(refuge)) == (b"someone's", ONE)


async def test_put_in_place_of_what_goes_away_meanwhile(room: StoreRoom, hostile: Hostile) -> None:
    await room.put(ONE, "a.png")
    refuge = ".qwenbatch/replaced/one.png"
    await room.shelf.keep("a.png", refuge)
    dropped = threading.Event()

    def meanwhile() -> None:
        if not dropped.is_set():
            dropped.set()
            room.drop("a.png")

    hostile.before("PUT", "/a.png", meanwhile)
    assert (await room.put(TWO, "a.png", displaced=("a.png", refuge)))[1]
    assert dropped.is_set()
    assert (room.read("a.png"), room.read(refuge)) == (TWO, ONE)


async def test_store_that_is_gone_is_a_disk_error_whatever_is_asked(
    room: StoreRoom, hostile: Hostile
) -> None:
    staged, _ = await room.put(ONE, "a.png")
    for method in ("GET", "HEAD", "PUT"):
        hostile.faults.append(Fault(method, "a.png", times=ALWAYS, status=500))
    placement = Placement(path="a.png", digest=staged.digest)
    with pytest.raises(DiskError):
        await room.shelf.adopt(placement)
    with pytest.raises(DiskError):
        async with room.shelf.stage() as stage:
            await room.shelf.copy_into(stage, placement)
    with pytest.raises(DiskError):
        await room.shelf.keep("b.png", "a.png")
    await room.shelf.forget("a.png")
