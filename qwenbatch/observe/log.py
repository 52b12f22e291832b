"""The log: every event as a line, as text for people or as JSON for machines."""

from __future__ import annotations

import json
from datetime import UTC
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from qwenbatch.observe.log_records import event_name, level_of, record_of
from qwenbatch.observe.plain_text import is_showable, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from qwenbatch.core.events import Event
    from qwenbatch.observe.log_records import Plain

VERSION = 1
"""The version of the JSON lines, their `v`."""

SCHEMA_FILE = Path(__file__).with_name("events.schema.json")
"""What the JSON lines hold, as a JSON Schema; it is part of the package."""

_MOST_VALUE = 16_000


class LogFormat(StrEnum):
    """How a log is written."""

    TEXT = "text"
    JSON = "json"


class EventLog:
    """An observer that writes each event to a file, and flushes it.

    The caller opens the file, for appending, and closes it. `wall` gives the time with its zone.
    The first line that cannot be written ends the log, never the run: from then on `failure` says
    in a sentence what happened, and nothing more is written. Closing such a file may fail again.
    """

    def __init__(
        self,
        file: TextIO,
        *,
        wall: Callable[[], datetime],
        log_format: LogFormat = LogFormat.TEXT,
    ) -> None:
        self.failure: str | None = None
        self._file = file
        self._encoding = file.encoding or "utf-8"
        self._wall = wall
        self._line = json_line if log_format is LogFormat.JSON else text_line

    def __call__(self, event: Event) -> None:
        """Write an event."""
        if self.failure is not None:
            return
        try:
            self._file.write(self._line(event, self._wall(), self._encoding) + "\n")
            self._file.flush()
        except (OSError, ValueError) as error:
            # ValueError: the file was closed.
            self.failure = f"the log can no longer be written: {error}; the run goes on without it"


def json_line(event: Event, time: datetime, encoding: str = "utf-8") -> str:
    """`{"v": 1, "time": …, "event": …}` and the event's fields; all controls are escaped."""
    record = {"v": VERSION, "time": _stamp(time), "event": event_name(event)}
    text = json.dumps(record | record_of(event), ensure_ascii=False, allow_nan=False)
    if text.isprintable() and (text.isascii() or encoding.lower().startswith("utf")):
        return text
    return "".join(_escaped(character, encoding) for character in text)


def text_line(event: Event, time: datetime, encoding: str = "utf-8") -> str:
    """`time level event key=value …`; what is empty is left out."""
    head = f"{_stamp(time)} {level_of(event)} {event_name(event)}"
    pairs = (f"{name}={_quoted(value, encoding)}" for name, value in _flat(record_of(event)))
    return " ".join([head, *pairs])


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _escaped(character: str, encoding: str) -> str:
    """A character as it may stand in JSON; outside its strings JSON has only harmless ones."""
    if character.isascii() and character.isprintable():
        return character
    if is_showable(character) and encoding.lower().startswith("utf"):
        return character
    return json.dumps(character)[1:-1]


def _flat(record: dict[str, Plain], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        match value:
            case dict():
                yield from _flat(value, f"{prefix}{name}.")
            case None | "":
                pass
            case str():
                yield prefix + name, value
            case _:
                yield prefix + name, json.dumps(value)


def _quoted(value: str, encoding: str) -> str:
    shown = plain(value, most=_MOST_VALUE, encoding=encoding)
    if shown and not any(character in ' "=' for character in shown):
        return shown
    return '"' + shown.replace('"', '\\"') + '"'
