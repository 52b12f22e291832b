"""What comes of fetching a paid result, as values that cross the ports."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from qwenbatch.core.retry import LOST_AFTER

if TYPE_CHECKING:
    from collections.abc import Sequence


class Trouble(StrEnum):
    """How a fetch failed, as far as it matters to whether there is still hope."""

    FORBIDDEN = "forbidden"
    """The URL has a scheme or a literal address that the rules forbid: lost at once."""
    GONE = "gone"
    """The picture came in its answer, and is no longer where it was kept here: lost at once."""
    HOPELESS = "hopeless"
    """Refused address, 403, 404, 410, or content that cannot be verified: lost after a day."""
    PASSING = "passing"
    """Anything else: it may work the next time."""


class Unfetched(msgspec.Struct, frozen=True):
    """A result that could not be fetched, or not be verified."""

    trouble: Trouble
    reason: str


class Staged(msgspec.Struct, frozen=True, kw_only=True):
    """A verified result in a temporary file, flushed. `path` is absolute; sizes in bytes, pixels.

    `extension` is that of the picture's format, such as `png` or `jpg`.
    """

    path: str
    digest: bytes
    size: int
    extension: str
    width: int
    height: int


Fetched: TypeAlias = Staged | Unfetched

_HOPE = {Trouble.FORBIDDEN: 0, Trouble.GONE: 0, Trouble.HOPELESS: 1, Trouble.PASSING: 2}


def most_hopeful(failures: Sequence[Unfetched]) -> Unfetched:
    """Of an edit's URLs that all failed, the one that leaves most hope; of equals the first.

    An edit that was paid for more than once is lost only when the last of its URLs is.
    """
    return max(failures, key=lambda failure: _HOPE[failure.trouble])


def is_lost(trouble: Trouble, *, age: float) -> bool:
    """Whether a result is given up for lost, `age` seconds after its answer."""
    match trouble:
        case Trouble.FORBIDDEN | Trouble.GONE:
            return True
        case Trouble.HOPELESS:
            return age >= LOST_AFTER
        case Trouble.PASSING:
            return False
