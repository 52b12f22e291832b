"""What came of one POST, as the gateway's client tells it."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from qwenbatch.core.verdicts import Answer, Kind


class Answered(msgspec.Struct, frozen=True):
    """An HTTP answer came: as read, its raw body as far as it is kept, and what it means.

    `kind` is None where it is an edited picture.
    """

    answer: Answer
    raw: bytes
    kind: Kind | None


class Broken(msgspec.Struct, frozen=True):
    """No answer came. `kind` is unreachable if the body's last chunk was never handed over."""

    kind: Kind
    reason: str


class Withheld(msgspec.Struct, frozen=True):
    """The last chunk was held back, so nothing ran: the source `changed`, or leave had ended."""

    changed: bool = True


Reply: TypeAlias = Answered | Broken | Withheld
