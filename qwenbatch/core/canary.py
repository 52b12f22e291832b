"""A few edits that are sent first: a mistake shows before it is paid for by the thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """An edit that was sent first. `result` is its path relative to OUT, None if not in place."""

    image: str
    instruction: str
    result: str | None


def all_saved(canaries: Iterable[Canary]) -> bool:
    """Whether every canary's result is in place."""
    return all(canary.result is not None for canary in canaries)


def spread(total: int, wanted: int) -> Iterator[int]:
    """Which of `total` edits, counted from 0, are the canaries: the middles of `wanted` parts."""
    wanted = min(wanted, total)
    return ((2 * number + 1) * total // (2 * wanted) for number in range(wanted))
