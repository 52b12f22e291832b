from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

_NOON = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


@dataclass
class Hand:
    """A clock that is moved by hand: `now` is what it shows, in seconds."""

    now: float = 1000.0
    start: float = field(default=1000.0, init=False)

    def __call__(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return _NOON + timedelta(seconds=self.now - self.start)


@pytest.fixture
def hand() -> Hand:
    return Hand()
