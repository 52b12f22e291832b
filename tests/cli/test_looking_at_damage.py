from __future__ import annotations

from typing import TYPE_CHECKING, Any

import apsw
import pytest

from qwenbatch.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_status_of_a_ledger_without_its_last_pages_is_a_refusal(
    shop: Any,
    call: Callable[..., str],
) -> None:
    shop.picture("a.jpg")
    shop.run(shop.manifest("m.jsonl", {"image": "a.jpg", "instruction": "sepia"}))
    ledger = shop.out / ".qwenbatch" / "ledger.db"
    whole = ledger.read_bytes()
    for pages in range(1, len(whole) // 4096):
        ledger.write_bytes(whole[: pages * 4096])
        try:
            call("status", shop.out)
        except LedgerError as error:
            assert "damaged" in error.what  # noqa: PT017 - some cuts go unnoticed, and may


def test_status_of_a_ledger_with_a_word_that_means_nothing_is_a_refusal(
    shop: Any,
    call: Callable[..., str],
) -> None:
    shop.picture("a.jpg")
    shop.run(shop.manifest("m.jsonl", {"image": "a.jpg", "instruction": "refused"}), refuse="ref")
    db = apsw.Connection(str(shop.out / ".qwenbatch" / "ledger.db"))
    db.execute("UPDATE edits SET kind = 'moderatet'")
    db.close()
    with pytest.raises(LedgerError, match="moderatet"):
        call("status", shop.out)
