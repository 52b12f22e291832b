"""Plans a run before its first dollar: every row's key, path and fate, and why a row is refused.

    read rows → examine sources → key → name results → look at their paths → fate

All of it blocks and runs in a thread of its own; the rows go through by pages, so that a manifest
of a million rows is never held whole.
"""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING

from qwenbatch.core.events import Planning, RowRefused, RowWarned
from qwenbatch.core.items import BadRow, Fault, FileSource, InlineSource, Row, UrlSource
from qwenbatch.core.limits import picture_warnings, text_warnings
from qwenbatch.core.naming import NameLevel
from qwenbatch.core.occupancy import REFUSALS, Claim, claim
from qwenbatch.core.paths import fold
from qwenbatch.core.plan import DraftRow, Fate, Judged, KeyedRow, fate_of, key_row
from qwenbatch.core.sources import Problem, SourceFacts
from qwenbatch.core.states import EditState
from qwenbatch.engine.namer import Namer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from qwenbatch.core.holdings import Holding
    from qwenbatch.core.items import Source
    from qwenbatch.core.limits import Limits
    from qwenbatch.core.occupancy import Occupant
    from qwenbatch.core.paths import Template
    from qwenbatch.core.placements import FileStamp
    from qwenbatch.core.plan import Asked, NamedRow
    from qwenbatch.engine.namer import Name
    from qwenbatch.engine.ports import OutFolder, PlanBook, Report, SourceReader

PAGE = 1000
"""Rows that are read, examined and taken in at once."""


class PlanCancelledError(Exception):
    """The run was interrupted while it planned: nothing was sent."""


class Planner:
    """Plans one run."""

    def __init__(
        self,
        *,
        book: PlanBook,
        sources: SourceReader,
        out: OutFolder,
        out_path: str,
        template: Template | None,
        asked: Asked,
        overwrite: bool,
        limits: Limits,
        manifest: str,
        report: Report,
        cancelled: Callable[[], bool],
    ) -> None:
        self._book = book
        self._sources = sources
        self._out = out
        self._out_path = out_path
        self._asked = asked
        self._overwrite = overwrite
        self._limits = limits
        self._manifest = manifest
        self._report = report
        self._cancelled = cancelled
        self._namer = Namer(template, book.held)

    def plan(self, rows: Iterable[Row | BadRow]) -> int:
        """Take in every row and say what becomes of it; how many rows were refused.

        Raises PlanCancelledError, and whatever reading the manifest raises.
        """
        self._read(rows)
        self._refuse_contested_outputs()
        self._name_results()
        self._refuse_impossible_paths()
        self._judge()
        return self._tell_refused()

    # ------------------------------------------------------------------ rows and their sources

    def _read(self, rows: Iterable[Row | BadRow]) -> None:
        read = 0
        for page in _pages(rows):
            self._go_on()
            seen = self._sources.examine([row.source for row in page])
            keyed = [self._keyed(row, one.found) for row, one in zip(page, seen, strict=True)]
            names = iter(self._namer.names([one for one in keyed if type(one) is KeyedRow]))
            self._book.add(
                [
                    _bad_draft(row, one, sight.identity)
                    if type(one) is Fault
                    else _draft(one, sight.identity, next(names))
                    for row, one, sight in zip(page, keyed, seen, strict=True)
                ],
            )
            read += len(page)
            self._report(Planning(rows=read))
        self._book.finish_reading(self._namer.passed)

    def _keyed(
        self,
        row: Row | BadRow,
        found: SourceFacts | Problem | None,
    ) -> KeyedRow | Fault:
        """A row with its edit's key, or why it is invalid."""
        if type(row) is BadRow:
            return row.faults[0]
        if (refusal := self._limits.refusal(row)) is not None:
            return refusal
        facts = found if type(found) is SourceFacts else None
        problem = facts.problem if facts else found
        if type(problem) is Problem:
            return Fault(reason=problem.what, column="image", advice=problem.advice)
        source = row.source
        keyed = key_row(row, facts, source.url if type(source) is UrlSource else None)
        self._warn(keyed)
        return keyed

    def _warn(self, keyed: KeyedRow) -> None:
        picture = keyed.facts.picture if keyed.facts else None
        limits = self._limits
        warnings = text_warnings(keyed.row.instruction, keyed.row.negative_prompt, limits)
        for warning in (*(picture_warnings(picture, limits) if picture else ()), *warnings):
            where = self._where(keyed.row.line)
            self._report(RowWarned(where=where, image=keyed.row.image, warning=warning))

    # ------------------------------------------------------------------ names

    def _refuse_contested_outputs(self) -> None:
        self._book.refuse(
            (
                number,
                Fault(
                    reason=f"another row, of another edit, has the output {path} too",
                    column="output",
                    advice="give each edit an output of its own",
                ),
            )
            for number, path in self._book.contested_outputs()
        )

    def _name_results(self) -> None:
        """Where default names clash, all of them go one level on, until none does."""
        for level in count():
            clashes = False
            for page in self._book.contested_names(min(level, NameLevel.KEYED)):
                self._go_on()
                self._rename(page)
                clashes = True
            if not clashes and level >= NameLevel.KEYED:
                return

    def _rename(self, contested: Sequence[NamedRow]) -> None:
        self._book.refuse(
            (
                named.keyed.row.number,
                Fault(
                    reason="another row has the name of its result",
                    column="output",
                    advice="give it an output of its own",
                ),
            )
            for named in contested
            if named.level == NameLevel.KEYED
        )
        self._book.rename(
            self._renamed(named.keyed, NameLevel(named.level + 1))
            for named in contested
            if named.level < NameLevel.KEYED
        )

    def _renamed(self, keyed: KeyedRow, level: NameLevel) -> tuple[int, str, str, int]:
        path = self._namer.default(keyed, level)
        return keyed.row.number, path, fold(path), level

    def _refuse_impossible_paths(self) -> None:
        self._book.refuse(
            (
                number,
                Fault(
                    reason=f"another row needs its path {path} as a folder",
                    column="output",
                    advice="give it an output of its own",
                ),
            )
            for number, path in self._book.outputs_that_are_folders()
        )
        reason, advice = REFUSALS_OF_SOURCES
        self._book.refuse(
            (number, Fault(reason=f"{path}: {reason}", column="output", advice=advice))
            for number, path in self._book.outputs_that_are_sources(self._out_path)
        )

    # ------------------------------------------------------------------ fates

    def _judge(self) -> None:
        for page in self._book.holdings():
            self._go_on()
            occupants = self._out.occupants(page)
            self._book.judge(
                [
                    self._judged(holding, *found)
                    for holding, found in zip(page, occupants, strict=True)
                ],
            )
        self._book.finish_judging()

    def _judged(self, holding: Holding, occupant: Occupant, stamp: FileStamp | None) -> Judged:
        claimed = claim(occupant, overwrite=self._overwrite)
        fate = fate_of(holding.standing, claimed, self._asked)
        expected = holding.standing.edit or EditState.PENDING
        if claimed is Claim.INVALID:
            reason, advice = REFUSALS[occupant]
            fault = Fault(reason=f"{holding.path}: {reason}", column="output", advice=advice)
            return Judged(
                number=holding.number,
                fate=Fate.INVALID,
                expected=expected,
                fault=fault,
            )
        if fate is Fate.SAVED and stamp is not None:
            # Known by its digest only: the placement is adopted, free of charge.
            fate = Fate.PLACE
        return Judged(number=holding.number, fate=fate, expected=expected)

    def _tell_refused(self) -> int:
        refused = 0
        for line, image, fault in self._book.refused():
            refused += 1
            self._report(
                RowRefused(
                    where=self._where(line, fault.column),
                    image=image,
                    reason=fault.reason,
                    advice=fault.advice,
                ),
            )
        return refused

    def _where(self, line: int, column: str | None = None) -> str:
        place = f"{self._manifest}:{line}" if line else self._manifest
        return f"{place}, {column}" if column else place

    def _go_on(self) -> None:
        if self._cancelled():
            raise PlanCancelledError


REFUSALS_OF_SOURCES = (
    "it is itself a source of this manifest",
    "choose another output, or another folder with -o",
)


def _pages(rows: Iterable[Row | BadRow]) -> Iterator[list[Row | BadRow]]:
    iterator = iter(rows)
    while page := list(islice(iterator, PAGE)):
        yield page


def _draft(keyed: KeyedRow, identity: tuple[int, int] | None, name: Name) -> DraftRow:
    picture = keyed.facts.picture if keyed.facts else None
    return DraftRow(
        row=keyed.row,
        source=_place(keyed.row.source),
        keyed=keyed,
        identity=identity,
        size=picture.upright if picture else None,
        path=name.path,
        fold=name.fold,
        level=name.level,
    )


def _bad_draft(row: Row | BadRow, fault: Fault, identity: tuple[int, int] | None) -> DraftRow:
    bad = row if type(row) is BadRow else _as_bad(row, fault)
    return DraftRow(row=bad, source=_place(row.source), fault=fault, identity=identity)


def _place(source: Source | None) -> str:
    """The absolute path or the URL of a source."""
    if source is None:
        return ""
    if type(source) is FileSource:
        return source.path
    return source.manifest if type(source) is InlineSource else source.url


def _as_bad(row: Row, fault: Fault) -> BadRow:
    return BadRow(
        number=row.number,
        line=row.line,
        faults=(fault,),
        image=row.image,
        source=row.source,
        instruction=row.instruction,
        negative_prompt=row.negative_prompt,
        watermark=row.watermark,
        take=row.take,
        output=row.output,
        id=row.id,
        extra=row.extra,
    )
