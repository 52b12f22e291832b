"""Bad rows in sentences: the first ones in full, the others only counted."""

from __future__ import annotations

import msgspec

from qwenbatch.core.events import Event, ResultSaved, RowRefused, RowWarned
from qwenbatch.core.plain_urls import without_queries
from qwenbatch.observe.amounts import number_of
from qwenbatch.observe.plain_text import plain

MOST_IN_FULL = 20
"""So many bad rows, and so many warnings, are told in full."""

_MOST_REASON = 400


class _Tally(msgspec.Struct):
    most: int | None
    told: int = 0
    more: int = 0

    def take(self) -> bool:
        """Whether one more may be told in full; else it is counted."""
        if self.most is None or self.told < self.most:
            self.told += 1
            return True
        self.more += 1
        return False


class BadRows:
    """What to tell a person of refused and doubtful rows.

    `encoding` is where it will stand; `most` rows, and as many warnings, are told in full, all of
    them if it is None.
    """

    def __init__(self, encoding: str = "utf-8", *, most: int | None = MOST_IN_FULL) -> None:
        self._encoding = encoding
        self._refused = _Tally(most)
        self._warned = _Tally(most)

    def tell(self, event: Event) -> str | None:
        """The sentence for an event; None if it is not of bad rows, or is only counted."""
        match event:
            case RowRefused(where=where, image=image, reason=reason, advice=advice):
                tally, word = self._refused, "not sent"
                text = f"{reason} ({advice})" if advice else reason
            case RowWarned(where=where, image=image, warning=text):
                tally, word = self._warned, "note"
            case ResultSaved(path=image, warning=text) if text:
                tally, word, where = self._warned, "note", ""
            case _:
                return None
        if not tally.take():
            return None
        parts = [self._plain(part) for part in (where, image) if part]
        return ": ".join([*parts, f"{word}: {self._plain(text, most=_MOST_REASON)}"])

    def rest(self) -> list[str]:
        """Sentences for those that were only counted since this was last asked."""
        sentences = []
        if self._refused.more:
            rows = number_of(self._refused.more, "more bad row")
            sentences.append(f"... and {rows}: see `qwenbatch check` or the log file")
        if self._warned.more:
            notes = number_of(self._warned.more, "more note")
            sentences.append(f"... and {notes}: see `qwenbatch check` or the log file")
        self._refused.more = self._warned.more = 0
        return sentences

    def _plain(self, text: str, *, most: int = 200) -> str:
        return plain(without_queries(text), most=most, encoding=self._encoding)
