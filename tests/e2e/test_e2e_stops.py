"""When the gateway refuses, throttles or fails for good: nothing more is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.sandbox import FaultKind, variants_of

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk

IN_FLIGHT = 3


def test_a_halt_stops_after_what_is_in_flight_and_the_next_run_goes_on(desk: Desk) -> None:
    desk.rows(*desk.items(12))
    sent = 0
    for kind in ("denied", "exhausted", "misaddressed"):
        desk.house.fail(kind, times=None, delay=0.3)

        halted = desk.run("--concurrency", IN_FLIGHT)

        assert (halted.status, halted.told["stopped_by"]) == (7, kind)
        assert halted.items == {"total": 12, "pending": 12}
        posts = desk.house.posts() - sent
        assert 1 <= posts <= IN_FLIGHT
        assert halted.edits == (posts, 0)
        assert halted.told["failures"][kind] >= posts
        assert (halted.cost["spent"], halted.cost["exposure"]) == (0, 0)
        sent += posts
        desk.house.mend()

    again = desk.run()

    assert (again.status, again.items) == (0, {"total": 12, "saved": 12})
    assert desk.house.posts() == sent + 12
    assert set(desk.house.billed().values()) == {1}


def test_a_wrong_key_is_denied_and_shown_nowhere(desk: Desk) -> None:
    desk.rows(*desk.items(4))
    environment = {**desk.environment, "QWENBATCH_API_KEY": "not-the-key-7431"}

    ended = desk.run("--concurrency", IN_FLIGHT, env=environment)

    assert (ended.status, ended.told["stopped_by"]) == (7, "denied")
    assert desk.house.posts() <= IN_FLIGHT
    assert "7431" not in ended.stdout + ended.stderr
    files = (path for path in desk.out.rglob("*") if path.is_file())
    assert not [path for path in files if b"7431" in path.read_bytes()]


def test_a_retry_after_of_years_stops_at_once_and_says_when_to_come_back(desk: Desk) -> None:
    desk.rows(*desk.items(6))
    (variant,) = (
        variant
        for variant in variants_of(FaultKind.THROTTLED)
        if ("Retry-After", "999999999") in variant.headers
    )
    desk.house.fail("throttled", variant=variant.name, times=None)

    ended = desk.run("--concurrency", 1)

    assert (ended.status, ended.told["stopped_by"]) == (7, "throttled")
    assert ended.items == {"total": 6, "pending": 6}
    assert desk.house.posts() == 1
    assert "come back at 20" in ended.stderr


def test_throttles_slow_the_run_down_and_cost_no_attempt(desk: Desk) -> None:
    desk.rows(*desk.items(3))
    desk.house.fail("throttled", times=5, variant=variants_of(FaultKind.THROTTLED)[0].name)

    ended = desk.run("--attempts", 1)

    assert (ended.status, ended.items) == (0, {"total": 3, "saved": 3})
    assert (desk.house.posts(), ended.edits) == (8, (8, 3))


def test_the_breaker_opens_after_ten_failures_in_a_row(desk: Desk) -> None:
    desk.rows(*desk.items(24))
    desk.house.fail("server_error", times=None)

    ended = desk.run("--concurrency", IN_FLIGHT)

    assert (ended.status, ended.told["stopped_by"]) == (8, "breaker")
    assert ended.items == {"total": 24, "pending": 24}
    assert 10 <= desk.house.posts() <= 10 + IN_FLIGHT
    assert set(ended.told["failures"]) == {"server_error"}


def test_an_edit_refused_by_the_gateway_failed_and_is_sent_again_only_if_asked(
    desk: Desk,
) -> None:
    desk.rows(*desk.items(3))
    desk.house.fail("moderated", match="p00")
    desk.house.fail("invalid", match="p01")

    first = desk.run()
    second = desk.run()
    third = desk.run("--retry-kind", "invalid")
    fourth = desk.run("--retry-failed")

    assert (first.status, first.items) == (3, {"total": 3, "saved": 1, "failed": 2})
    assert first.told["failures"] == {"moderated": 1, "invalid": 1}
    assert first.cost["exposure"] == 0
    assert (second.status, second.edits) == (3, (0, 0))
    assert (third.status, third.edits) == (3, (1, 1))
    assert third.items == {"total": 3, "saved": 2, "reused": 1, "failed": 1}
    assert (fourth.status, fourth.items) == (0, {"total": 3, "saved": 3, "reused": 2})
    assert desk.house.posts() == 5


def test_retries_used_up_leave_an_edit_pending_for_the_next_run(desk: Desk) -> None:
    desk.rows(*desk.items(2))
    desk.house.fail("server_error", match="p00", times=2)

    first = desk.run("--attempts", 1)
    second = desk.run()

    assert (first.status, first.items) == (3, {"total": 2, "saved": 1, "pending": 1})
    assert first.told["failures"] == {"server_error": 1}
    assert (second.status, second.items) == (0, {"total": 2, "saved": 2, "reused": 1})
    assert second.edits == (2, 1)
    assert desk.house.billed() == {"mirror p00": 1, "mirror p01": 1}
