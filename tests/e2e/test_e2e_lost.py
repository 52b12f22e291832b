"""A result that is lost is paid for again only if that is asked for."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk, House


def settle(desk: Desk, ruling: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "qwenbatch", "settle", str(desk.out), "--as", ruling],
        cwd=desk.folder,
        env=desk.environment,
        check=True,
        capture_output=True,
    )


def test_what_the_invoice_calls_paid_is_lost_and_resent_only_if_asked(
    desk: Desk,
    house: House,
) -> None:
    desk.rows(*desk.items(2))
    house.fail("gave_up", times=1, billed=True)
    assert desk.run().items == {"total": 2, "saved": 1, "uncertain": 1}
    settle(desk, "paid")

    lost = desk.run()
    assert (lost.status, lost.items) == (3, {"total": 2, "saved": 1, "reused": 1, "lost": 1})
    assert lost.told["failures"] == {"unfetched": 1}
    assert house.posts() == 2

    resent = desk.run("--resend-lost")
    assert (resent.status, resent.items) == (0, {"total": 2, "saved": 2, "reused": 1})
    assert house.posts() == 3
    assert resent.cost["maybe_twice"] == desk.prices(1)


def test_what_the_invoice_calls_unpaid_is_sent_again_by_itself(desk: Desk, house: House) -> None:
    desk.rows(*desk.items(1))
    house.fail("gave_up", times=1, billed=False)
    assert desk.run().items == {"total": 1, "uncertain": 1}
    settle(desk, "unpaid")
    ended = desk.run()
    assert (ended.status, ended.items) == (0, {"total": 1, "saved": 1})
    assert ended.cost["exposure"] == ended.cost["maybe_twice"] == 0
    assert house.books()["billed"] == 1
