"""Decides which fault a POST is served: first what was scripted, then the shares, then none."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from qwenbatch.sandbox.faults import (
    BODILESS_KINDS,
    LASTING_RESULT_KINDS,
    RESULT_KINDS,
    Fault,
    FaultKind,
)
from qwenbatch.sandbox.fronts import FRONTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.sandbox.front import Front
    from qwenbatch.sandbox.variants import Variant

MAX_SCRIPTED = 10_000


@dataclass(slots=True)
class _Scripted:
    fault: Fault
    left: int | None


class FaultPlan:
    """The scripted faults in their order, and the shares, drawn from a seeded source."""

    def __init__(self, shares: Mapping[FaultKind, float], seed: int) -> None:
        self._shares = tuple(shares.items())
        self._random = Random(seed)  # noqa: S311 - draws must be repeatable, not secret
        self._queue: deque[_Scripted] = deque()
        self._turns: Counter[tuple[str, FaultKind]] = Counter()

    def script(self, fault: Fault) -> None:
        """Queues a fault; ValueError if its variant is unknown or the queue is full."""
        if fault.variant is not None:
            _named_variant(fault.kind, fault.variant, _ALL)
        if len(self._queue) >= MAX_SCRIPTED:
            raise ValueError(f"{MAX_SCRIPTED} faults are queued already: clear them first")
        posts = 1 if fault.kind in RESULT_KINDS else fault.times
        self._queue.append(_Scripted(fault, posts))

    def clear(self) -> int:
        """Forgets what was scripted; returns how many faults that were."""
        cleared = len(self._queue)
        self._queue.clear()
        return cleared

    def draw(self) -> Fault | None:
        """What the shares hold for the POST that just arrived; drawn once for each."""
        point = self._random.random()
        for kind, share in self._shares:
            if point < share:
                lasting = kind in LASTING_RESULT_KINDS
                return Fault(kind=kind, times=None if lasting else 1)
            point -= share
        return None

    def before_body(self, drawn: Fault | None) -> Fault | None:
        """The fault that is served before the body was read, if it is that POST's turn."""
        if self._queue:
            first = self._queue[0]
            early = first.fault.kind in BODILESS_KINDS and first.fault.match is None
            return self._taken(first) if early else None
        return drawn if drawn is not None and drawn.kind in BODILESS_KINDS else None

    def after_body(self, drawn: Fault | None, instruction: str) -> Fault | None:
        """The fault that is served to the POST with this instruction."""
        for scripted in self._queue:
            match = scripted.fault.match
            if match is None or match in instruction:
                return self._taken(scripted)
        return drawn

    def variant(self, fault: Fault, front: Front) -> Variant:
        """The variant that is served: the one named, else the kind's usual ones there in turn.

        One that is named is served as it is, also where it is another door's.
        """
        if fault.variant is not None:
            return _named_variant(fault.kind, fault.variant, (*front.variants, *_ALL))
        usual = [each for each in front.variants if each.kind is fault.kind and each.usual]
        turn = self._turns[front.name, fault.kind]
        self._turns[front.name, fault.kind] += 1
        return usual[turn % len(usual)]

    def _taken(self, scripted: _Scripted) -> Fault:
        if scripted.left is not None:
            scripted.left -= 1
            if scripted.left == 0:
                self._queue.remove(scripted)
        return scripted.fault


_ALL = tuple(variant for front in FRONTS.values() for variant in front.variants)


def _named_variant(kind: FaultKind, name: str, among: tuple[Variant, ...]) -> Variant:
    variants = [variant for variant in among if variant.kind is kind]
    for variant in variants:
        if variant.name == name:
            return variant
    known = "; ".join(dict.fromkeys(variant.name for variant in variants)) or "none"
    raise ValueError(f"{kind} has no variant {name!r}; known are: {known}")
