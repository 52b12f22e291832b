"""Who watches a run: a screen or lines for a person, a log, one JSON object for a program."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import anyio
import msgspec

from qwenbatch.core.canary import all_saved
from qwenbatch.core.money import dollars
from qwenbatch.core.pictures import predicted_size
from qwenbatch.errors import DiskError
from qwenbatch.observe.bad_rows import MOST_IN_FULL
from qwenbatch.observe.fanout import Fanout
from qwenbatch.wiring.clock import SystemClock, local_now
from qwenbatch.wiring.printed import printed
from qwenbatch.wiring.telemetry import telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qwenbatch.core.canary import Canary
    from qwenbatch.core.events import Event
    from qwenbatch.core.summary import Estimate, Summary
    from qwenbatch.observe.fanout import Observer
    from qwenbatch.observe.lines import Lines
    from qwenbatch.observe.log import EventLog
    from qwenbatch.observe.metrics import Metrics
    from qwenbatch.observe.screen import Screen
    from qwenbatch.wiring.places import Place

TICK = 1.0
"""Seconds between two looks at whether a plain line is due."""


class DisplaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a person or a program wants to see."""

    json: bool = False
    quiet: bool = False
    log_format: str = "text"
    log_file: Path | None = None
    metrics: Path | None = None


class Display:
    """The observers of one run; used as the run's report.

    `out` is OUT, `asks_to_pay` whether the person at the terminal is asked before the first POST,
    `asks_to_go_on` whether after the canaries. With `every_row` every bad row is told in full,
    otherwise the first ones. `traced`: OpenTelemetry is told too, where the environment asks.
    """

    def __init__(
        self,
        settings: DisplaySettings,
        *,
        out: Place,
        asks_to_pay: bool,
        asks_to_go_on: bool,
        every_row: bool = False,
        traced: bool = False,
    ) -> None:
        self._settings = settings
        self._out = out
        self._asks_to_pay = asks_to_pay
        self._asks_to_go_on = asks_to_go_on
        self._traced = traced
        self._most_rows = None if every_row else MOST_IN_FULL
        self._screen: Screen | None = None
        self._lines: Lines | None = None
        self._metrics: Metrics | None = None
        self._records: list[Metrics | EventLog] = []
        self._fanout = Fanout(())

    @contextmanager
    def open(self) -> Iterator[None]:
        """Open files and screen, and close them in the end."""
        with ExitStack() as stack:
            stack.callback(self._tell_failures)
            observers: list[Observer] = []
            if self._settings.log_file is not None:
                file = stack.enter_context(_log_file(self._settings.log_file))
                observers.append(self._logged(file))
            elif self._settings.log_format == "json":
                observers.append(self._logged(sys.stderr))
            shown = not self._settings.quiet and (
                self._settings.log_format == "text" or self._settings.log_file is not None
            )
            if shown:
                observers.append(self._shown(stack))
            elif self._settings.quiet:
                observers.append(self._plain_lines(unasked=False))
            if self._settings.metrics is not None:
                observers.append(self._measured(self._settings.metrics))
            if self._traced:
                told = stack.enter_context(telemetry())
                observers += [] if told is None else [told]
            self._fanout = Fanout(observers)
            yield

    def report(self, event: Event, /) -> None:
        """Take an event of the run."""
        self._fanout(event)

    async def keep_ticking(self) -> None:
        """Let a plain line, and the figures, be written when they are due; until cancelled."""
        while True:
            await anyio.sleep(TICK)
            if self._lines is not None:
                self._lines.tick()
            if self._metrics is not None:
                # Milliseconds on a disk of this machine, where the node exporter wants the file.
                self._metrics.tick()

    async def heed_questions(self) -> None:
        """Say how the run stands whenever SIGUSR1 asks for it; until cancelled.

        Where events go to stderr as JSON they tell it all, and no line comes between them.
        """
        try:
            with anyio.open_signal_receiver(signal.SIGUSR1) as asked:
                async for _ in asked:
                    shown = self._screen or self._lines
                    if shown is not None:
                        shown.write_standing()
        finally:
            # Nobody listens any more, and it must not end what is left to be done.
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    async def ask(self, estimate: Estimate) -> bool:
        """Ask the person at the terminal whether to pay; True where nobody is to be asked."""
        if not self._asks_to_pay:
            return True
        with ExitStack() as stack:
            if self._screen is not None:
                stack.enter_context(self._screen.paused())
            edits = f"{estimate.edits:,} edit{'' if estimate.edits == 1 else 's'}"
            return await _says_yes(f"{edits}, {dollars(estimate.cost)}: go on?")

    async def approve(self, canaries: Sequence[Canary], /) -> bool:
        """Show the canaries and ask; where nobody is to be asked, all of them must be saved."""
        if not self._asks_to_go_on:
            return all_saved(canaries)
        from qwenbatch.observe.canaries import show  # noqa: PLC0415 - draws in rich
        from qwenbatch.observe.terminal import Terminal  # noqa: PLC0415 - likewise

        with ExitStack() as stack:
            if self._screen is not None:
                stack.enter_context(self._screen.paused())
            show(
                canaries,
                out=self._out,
                console=Terminal(sys.stderr, ascii_only=not _shows_unicode()),
            )
            return await _says_yes("Look at them. Go on with the rest?")

    def tell_sizes(self, sizes: list[tuple[int, int, int]]) -> None:
        """Say what goes in and about what comes out: a large picture comes back small."""
        if self._settings.json or self._settings.quiet:
            return
        with printed(sys.stdout):
            for width, height, items in sizes:
                out = "×".join(map(str, predicted_size(width, height)))
                sys.stdout.write(f"{items:>9,} × {width}×{height} px → about {out} px\n")

    def close(
        self,
        summary: Summary,
        *,
        out: str,
        again: str | None,
        sandbox: bool,
        strict: bool,
    ) -> None:
        """Print how it ended: one JSON object, a page for a person, or only a bad end."""
        if self._settings.json:
            with printed(sys.stdout):
                sys.stdout.write(json.dumps(summary.to_json(), ensure_ascii=False) + "\n")
        elif self._settings.quiet:
            from qwenbatch.observe.bad_end import bad_end  # noqa: PLC0415 - only where wanted

            with suppress(OSError):
                # Nobody reads any more; the exit status still says how it ended.
                sys.stderr.writelines(f"{line}\n" for line in bad_end(summary, again=again))
        else:
            from qwenbatch.observe.closing import closing_summary  # noqa: PLC0415 - draws in rich
            from qwenbatch.observe.terminal import Terminal  # noqa: PLC0415 - likewise

            with printed(sys.stdout):
                closing_summary(
                    summary,
                    out=out,
                    command_again=again,
                    report=None if summary.estimate else shlex.join(["qwenbatch", "report", out]),
                    console=Terminal(sys.stdout, ascii_only=not _shows_unicode()),
                    sandbox=sandbox,
                    strict=strict,
                )

    def _logged(self, file: TextIO) -> Observer:
        from qwenbatch.observe.log import EventLog, LogFormat  # noqa: PLC0415 - only where wanted

        log_format = LogFormat(self._settings.log_format)
        log = EventLog(file, wall=lambda: datetime.now(UTC), log_format=log_format)
        self._records.append(log)
        return log

    def _measured(self, path: Path) -> Observer:
        from qwenbatch.observe.metrics import Metrics  # noqa: PLC0415 - only where wanted

        clock = SystemClock()
        self._metrics = Metrics(path, out=str(self._out), clock=clock.monotonic, wall=clock.wall)
        self._records.append(self._metrics)
        return self._metrics

    def _tell_failures(self) -> None:
        """Say which records broke off; now, for the live area is gone."""
        for record in self._records:
            if record.failure is not None:
                with suppress(OSError):
                    # Nobody reads any more; the exit status still says how the run ended.
                    sys.stderr.write(f"qwenbatch: {record.failure}\n")

    def _shown(self, stack: ExitStack) -> Observer:
        clock = SystemClock().monotonic
        if sys.stderr.isatty():
            from qwenbatch.observe.screen import Screen, can_show  # noqa: PLC0415 - draws in rich
            from qwenbatch.observe.terminal import Terminal  # noqa: PLC0415 - likewise

            console = Terminal(sys.stderr, ascii_only=not _shows_unicode())
            if can_show(console):
                self._screen = stack.enter_context(
                    Screen(console, clock=clock, most_rows=self._most_rows)
                )
                return self._screen
        return self._plain_lines(unasked=True)

    def _plain_lines(self, *, unasked: bool) -> Observer:
        from qwenbatch.observe.lines import Lines  # noqa: PLC0415 - one or the other

        self._lines = Lines(
            sys.stderr,
            clock=SystemClock().monotonic,
            wall=local_now,
            most_rows=self._most_rows,
            unasked=unasked,
        )
        return self._lines


def _shows_unicode() -> bool:
    """Whether the locale allows more than ASCII: Python itself takes `C` for UTF-8."""
    told = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    return next(filter(None, told), "") not in {"C", "POSIX"}


async def _says_yes(question: str) -> bool:
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    await anyio.wait_readable(sys.stdin)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def is_at_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@contextmanager
def _log_file(path: Path) -> Iterator[TextIO]:
    for_us_alone = partial(os.open, mode=0o600)
    try:
        file = open(path, "a", encoding="utf-8", errors="backslashreplace", opener=for_us_alone)  # noqa: SIM115 - so made; closed below
    except OSError as error:
        raise DiskError(
            f"the log file {path} cannot be written: {error.strerror}",
            "choose another with --log-file",
        ) from error
    try:
        yield file
    finally:
        with suppress(OSError):
            # A log that failed fails again on closing; it is told elsewhere.
            file.close()
