"""The live display on a terminal."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from threading import Event as Flag
from threading import Lock, Thread
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.text import Text

from qwenbatch.core.events import Event, Planned, Proxied, RunClosed
from qwenbatch.observe.bad_rows import MOST_IN_FULL, BadRows
from qwenbatch.observe.lines import standing
from qwenbatch.observe.painting import Painting
from qwenbatch.observe.progress import Progress
from qwenbatch.observe.proxied import proxied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from rich.console import Console

    from qwenbatch.observe.terminal import Terminal

REDRAW = 0.25
"""Seconds between two drawings, at least."""

_PATIENCE = 2.0
_OTHER_NOTES = 8


def can_show(console: Console) -> bool:
    """Whether the console is a terminal on which a live area can be redrawn."""
    return console.is_terminal and not console.is_dumb_terminal


class Screen:
    """An observer, and a context in which a live area stands at the foot of the console.

    A thread of its own draws it, four times a second at most, so that a terminal that stands still
    (Ctrl-S, a slow line) never holds up the run. With `painter=False` there is no thread: whoever
    calls `tick` draws. `most_rows` bad rows are told in full, all if None.
    `clock` is monotonic, in seconds, and is asked from that thread too. When
    the context ends, the area goes: the closing summary takes its place. A console that can no
    longer be written is left alone: `failure` then says why.
    """

    def __init__(
        self,
        console: Terminal,
        *,
        clock: Callable[[], float],
        painter: bool = True,
        most_rows: int | None = MOST_IN_FULL,
    ) -> None:
        self.failure: str | None = None
        self._console = console
        self._clock = clock
        self._progress = Progress()
        self._bad_rows = BadRows(console.encoding, most=most_rows)
        self._notes: deque[str] = deque(
            maxlen=None if most_rows is None else 2 * most_rows + _OTHER_NOTES,
        )
        self._state = Lock()
        self._drawing = Lock()
        self._drawn_at: float | None = None
        self._done = Flag()
        self._thread = Thread(target=self._paint, name="screen", daemon=True) if painter else None
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
            get_renderable=self._painting,
        )

    def __enter__(self) -> Self:
        """Open the live area."""
        self._guard(self._live.start)
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Print what was still to be told, and take the live area away."""
        self._done.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        if not self._drawing.acquire(timeout=_PATIENCE):
            # The terminal stands still in the middle of a drawing: nothing can be put right.
            return
        try:
            self._guard(self._print_notes)
            self._guard(self._live.stop)
        finally:
            self._drawing.release()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the live area away meanwhile, so that a question can be asked."""
        with self._drawing:
            self._guard(self._print_notes)
            self._guard(self._live.stop)
            try:
                yield
            finally:
                self._guard(self._live.start)

    def __call__(self, event: Event) -> None:
        """Take in an event; it is drawn later."""
        with self._state:
            self._progress.absorb(event, self._clock())
            told = self._bad_rows.tell(event)
            if told is not None:
                self._notes.append(told)
            if isinstance(event, Proxied):
                self._notes.append(proxied(event))
            if isinstance(event, Planned | RunClosed):
                self._notes.extend(self._bad_rows.rest())

    def write_standing(self) -> None:
        """Let a line on how the run stands be printed above the live area, and stay there."""
        with self._state:
            self._notes.append(standing(self._progress.view(self._clock())))

    def tick(self) -> None:
        """Draw, unless the last drawing is less than a quarter of a second ago."""
        with self._drawing:
            now = self._clock()
            if self._drawn_at is not None and now - self._drawn_at < REDRAW:
                return
            self._drawn_at = now
            self._guard(self._draw)

    def _paint(self) -> None:
        while not self._done.wait(REDRAW):
            self.tick()

    def _draw(self) -> None:
        self._print_notes()
        self._live.refresh()

    def _print_notes(self) -> None:
        with self._state:
            notes = list(self._notes)
            self._notes.clear()
        for note in notes:
            self._console.print(Text(note))

    def _painting(self) -> Painting:
        with self._state:
            return Painting(self._progress.view(self._clock()))

    def _guard(self, action: Callable[[], None]) -> None:
        if self.failure is not None and action != self._live.stop:
            return
        try:
            action()
        except (OSError, ValueError) as error:
            # ValueError: the console's file was closed.
            self.failure = f"the display can no longer be written: {error}"
