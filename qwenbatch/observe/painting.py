"""A view of a run as rich draws it: fitted to the width, with or without colour and Unicode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qwenbatch.core.money import dollars
from qwenbatch.core.plain_urls import without_queries
from qwenbatch.observe.amounts import number_of, per_second, span
from qwenbatch.observe.plain_text import plain
from qwenbatch.observe.view import View
from qwenbatch.observe.words import KIND_WORDS, bound_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderResult

    from qwenbatch.observe.view import Failure

_GOOD, _BAD, _DOUBT, _QUIET, _STRONG = "green", "red", "yellow", "dim", "bold"
_WIDEST_BAR = 60
_NARROW = 60
_SHOWN_FAILURES = 3


class Painting(msgspec.Struct, frozen=True):
    """What the live area shows of a view; rich asks it anew at each width."""

    view: View

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The bar, then counts, speed and money in as many lines as they need, then trouble."""
        brush = _Brush(width=options.max_width, encoding=console.encoding)
        view = self.view
        if view.planned is None:
            yield brush.line(f"reading the manifest: {number_of(view.rows, 'row')}", _STRONG)
            return
        yield _bar(view, options.max_width)
        for group in (_counts(view), _speed(view), _money(view)):
            yield from brush.flow(list(group))
        if view.gate > 0:
            yield brush.line(f"the gateway wants a pause: {span(view.gate)} more", _DOUBT)
        elif view.bound is not None:
            yield brush.line(f"not more: {bound_words(view, view.bound)}", _QUIET)
        if view.stopping is not None:
            yield brush.line(f"stopping: {without_queries(view.stopping.message)}", _DOUBT)
        failures = view.failures[-1:] if options.max_width < _NARROW else view.failures
        for failure in failures[-_SHOWN_FAILURES:]:
            yield brush.line(failure_words(failure, most_name=options.max_width // 2), _BAD)


class _Brush(msgspec.Struct, frozen=True):
    width: int
    encoding: str

    @property
    def separator(self) -> str:
        return " · " if self.encoding.lower().startswith("utf") else " | "

    def line(self, text: str, style: str) -> Text:
        """One line; what does not fit is cut."""
        shown = Text(plain(text, most=max(self.width, 4), encoding=self.encoding), style)
        shown.truncate(self.width, overflow="crop")
        shown.no_wrap = True
        return shown

    def flow(self, parts: list[tuple[str, str]]) -> Iterator[Text]:
        """The parts, as many on a line as fit; a line breaks only between two of them."""
        line = Text(no_wrap=True)
        for words, style in parts:
            part = self.line(words, style)
            if line and line.cell_len + len(self.separator) + part.cell_len > self.width:
                yield line
                line = Text(no_wrap=True)
            if line:
                line.append(self.separator, _QUIET)
            line.append_text(part)
        if line:
            yield line


def failure_words(failure: Failure, *, most_name: int = 60) -> str:
    """What went wrong with what, and whether it is tried again; a long name keeps its end."""
    again = "" if failure.again_in is None else f" (again in {span(failure.again_in)})"
    kind = failure.kind.value.replace("_", " ")
    message = without_queries(failure.message) or KIND_WORDS[failure.kind].means
    name = without_queries(failure.what)
    if len(name) > most_name:
        name = f"...{name[3 - most_name :]}"
    return f"{name}: {kind}{again}: {message}"


def _bar(view: View, width: int) -> Table:
    items = view.items
    done = items.total - items.pending
    share = done * 100 // items.total if items.total else 100
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    bar = ProgressBar(
        total=max(items.total, 1),
        completed=done if items.total else 1,
        width=max(10, min(_WIDEST_BAR, width - len(" 100%") - 1)),
    )
    grid.add_row(bar, Text(f"{share:3}%"))
    return grid


def _counts(view: View) -> Iterator[tuple[str, str]]:
    items = view.items
    saved = f"{items.saved:,} of {items.total:,} saved"
    yield saved + (f" ({items.reused:,} reused)" if items.reused else ""), _GOOD
    for number, name, style in (
        (items.failed, "failed", _BAD),
        (items.invalid, "invalid", _BAD),
        (items.lost, "lost", _BAD),
        (items.uncertain, "uncertain", _DOUBT),
        (items.pending, "pending", ""),
    ):
        if number:
            yield f"{number:,} {name}", style


def _speed(view: View) -> Iterator[tuple[str, str]]:
    if view.eta is not None and view.eta > 0:
        yield f"about {span(view.eta)} left", _STRONG
    most = 0 if view.opened is None else view.opened.concurrency
    yield f"{view.in_flight:,} {f'of {most:,} ' if most else ''}in flight", ""
    if view.waiting:
        yield f"{view.waiting:,} to be sent again", ""
    yield f"{per_second(view.rate_now)} now", ""
    yield f"{per_second(view.rate_overall)} overall", ""
    if view.pace is not None:
        yield f"pace {per_second(view.pace)}", ""
    if view.deadline is not None:
        yield f"deadline in {span(view.deadline)}", ""


def _money(view: View) -> Iterator[tuple[str, str]]:
    if view.opened is not None and view.opened.sandbox:
        yield "sandbox: nothing is really paid", _DOUBT
    yield f"{dollars(view.spent)} spent", _STRONG
    if view.exposure:
        yield f"{dollars(view.exposure)} perhaps paid", _DOUBT
    if view.projected is not None:
        yield f"{dollars(view.projected)} foreseen in all", ""
    if view.left is not None:
        yield f"{dollars(view.left)} left under the caps", ""
