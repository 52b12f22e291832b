"""One run, many watchers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from qwenbatch.core.events import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

Observer: TypeAlias = Callable[[Event], None]
"""Takes each event of a run as it happens; it must be quick and must not raise."""


class Fanout:
    """An observer that tells each of its observers, in their order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def __call__(self, event: Event) -> None:
        """Tell all of them."""
        for observer in self._observers:
            observer(event)
