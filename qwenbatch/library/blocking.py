"""`qwenbatch.run`: a whole run as one call, for scripts and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.library.beginning import ITEMS, begin
from qwenbatch.library.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qwenbatch.core.outcomes import Outcome
    from qwenbatch.core.summary import Summary
    from qwenbatch.library.course import Course
    from qwenbatch.library.settings import StrPath
    from qwenbatch.manifest.item_rows import Item


def run(
    items: StrPath | Iterable[Item],
    *,
    out: StrPath,
    settings: Settings | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    name: str = ITEMS,
) -> Summary:
    """Run over items, with results and ledger in `out`; the summary, whatever stopped it.

    Nobody is asked before it pays: set `max_cost` or `budget`. `on_outcome` is called with each
    item's outcome, in this thread, as `Batch.run` gives them. It works beside an event loop that
    runs, as in a notebook. `items` and `name` as in `Batch.run`.

    Ctrl-C, which Python raises in the main thread, and whatever `on_outcome` raises, end the
    sending; what is in flight is awaited and recorded, then the exception goes on. Ctrl-C once more
    gives up what is in flight, recorded as uncertain. Raises as `Batch.run` does.
    """
    course = begin(items, name, settings or Settings(), out)
    try:
        if on_outcome is None:
            course.tell_nothing()
        else:
            while page := course.next_page().result():
                for outcome in page:
                    on_outcome(outcome)
        return course.ended.result()
    except BaseException:
        _see_out(course)
        raise


def _see_out(course: Course) -> None:
    """Wait for the end of a run that is left, however it ends; interrupted, give it up."""
    course.leave()
    while not course.ended.done():
        try:
            course.ended.exception()
        except KeyboardInterrupt:
            course.give_up()
