"""What the invoice does to uncertain attempts, and to the edits that they were made for."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import msgspec

from qwenbatch.core.money import NOTHING, MicroUSD
from qwenbatch.core.states import EditEvent


class Ruling(StrEnum):
    """What the invoice says of an uncertain attempt."""

    PAID = "paid"
    UNPAID = "unpaid"

    @property
    def event(self) -> EditEvent:
        """What it is to the attempt."""
        return EditEvent.SETTLED_PAID if self is Ruling.PAID else EditEvent.SETTLED_UNPAID


def edit_event(*, paid: int, uncertain: int) -> EditEvent | None:
    """What befalls an edit some of whose attempts were settled, by its attempts as they are now.

    One that is paid for is never sent again unasked, whatever its other attempts were. One that
    still has an uncertain attempt stays as it is: None.
    """
    if paid:
        return EditEvent.SETTLED_PAID
    return None if uncertain else EditEvent.SETTLED_UNPAID


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which uncertain attempts are settled: those that fulfil all that is given.

    `edit` holds the first hexadecimal digits of an edit's key, `day` the UTC day of sending.
    """

    edit: str | None = None
    day: date | None = None


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What a settlement did.

    `recovered` attempts had been left in flight by a death. Of the edits that the settled
    `attempts` were made for, `edited` are paid for now, `lost` of their paths without a result;
    `pending` are sent again by the next run; `still_uncertain` have other uncertain attempts;
    `kept` were edited before, and are as they were. `left` attempts stay uncertain in the ledger.
    """

    recovered: int
    attempts: int = 0
    amount: MicroUSD = NOTHING
    edited: int = 0
    lost: int = 0
    pending: int = 0
    still_uncertain: int = 0
    kept: int = 0
    left: int
    left_amount: MicroUSD
