"""What came of one POST, as the gateway's client tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from qwenbatch.core.verdicts import Answer, Kind


@dataclass(frozen=True, slots=True)
class Answered:
    """An HTTP answer came: as read, its raw body as far as it is kept, and what it means.

    `kind` is None where it is an edited picture.
    """

    answer: Answer
    raw: bytes
    kind: Kind | None


@dataclass(frozen=True, slots=True)
class Broken:
    """No answer came. `kind` is unreachable if the body's last chunk was never handed over."""

    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """The last chunk was held back, so nothing ran: the source `changed`, or leave had ended."""

    changed: bool = True


Reply: TypeAlias = Answered | Broken | Withheld
