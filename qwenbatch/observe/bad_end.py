"""The words for a run that did not end well, for who wants to read errors only.

Nothing is drawn here: a quiet run is spared the import of what draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.core.stops import ExitStatus
from qwenbatch.observe.amounts import number_of
from qwenbatch.observe.plain_text import plain
from qwenbatch.observe.words import STOP_WORDS

if TYPE_CHECKING:
    from qwenbatch.core.summary import Summary

MOST_PATH = 4096
"""Characters of a path or a command that are shown."""


def bad_end(summary: Summary, *, again: str | None) -> list[str]:
    """What is wrong and what to do, a line each, for who wants to read errors only.

    Nothing if every item is saved. `again` is the exact command that goes on, if there is one.
    """
    if summary.exit_status is ExitStatus.SAVED:
        return []
    foreseen = summary.estimate is not None
    if summary.stopped_by is not None:
        words = STOP_WORDS[summary.stopped_by]
        verb = "would stop" if foreseen else "stopped"
        return [f"qwenbatch: {verb} ({summary.stopped_by}): {words.means}", f"  {words.advice}"]
    items = summary.items
    wrong = (
        (items.failed, "failed"),
        (items.invalid, "invalid"),
        (items.lost, "lost"),
        (items.uncertain, "uncertain: perhaps paid"),
        (items.pending, "pending"),
    )
    told = ", ".join(f"{number:,} {word}" for number, word in wrong if number)
    lines = [f"qwenbatch: of {number_of(items.total, 'item')}: {told}"]
    if again is None:
        lines.append("  say it without --quiet to read more")
    elif items.uncertain:
        lines.append(f"  by the invoice: {plain(again, most=MOST_PATH)}")
    else:
        lines.append(f"  see `qwenbatch status`; next: {plain(again, most=MOST_PATH)}")
    return lines
