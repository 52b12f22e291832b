from __future__ import annotations

from qwenbatch.core.events import Event, Planning
from qwenbatch.observe.fanout import Fanout


def test_fanout_tells_each_observer_in_turn() -> None:
    told: list[tuple[str, Event]] = []
    tell = Fanout(
        [lambda event: told.append(("a", event)), lambda event: told.append(("b", event))]
    )

    tell(Planning(rows=1))

    assert told == [("a", Planning(rows=1)), ("b", Planning(rows=1))]
