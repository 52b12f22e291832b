"""Plans a run before its first dollar: every row's key, path and fate, and why a row is refused.

    read rows → examine sources → key → name results → look at their paths → fate

All of it blocks and runs in a thread of its own; the rows go through by pages, so that a manifest
of a million rows is never held whole.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from qwenbatch.core.events import Planning, RowRefused, RowWarned
from qwenbatch.core.items import BadRow, Fault, FileSource, InlineSource, Row, UrlSource
from qwenbatch.core.naming import NameLevel, default_output
from qwenbatch.core.occupancy import REFUSALS, Claim, claim
from qwenbatch.core.paths import fold
from qwenbatch.core.pictures import picture_warnings, text_warnings
from qwenbatch.core.plan import DraftRow, Fate, Judged, fate_of, key_row
from qwenbatch.core.sources import Problem, SourceFacts
from qwenbatch.core.states import EditState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from qwenbatch.core.holdings import Holding
    from qwenbatch.core.items import Source
    from qwenbatch.core.paths import Template
    from qwenbatch.core.plan import Asked, KeyedRow, NamedRow
    from qwenbatch.engine.ports import OutFolder, PlanBook, Report, Seen, SourceReader

PAGE = 500
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
        manifest: str,
        report: Report,
        cancelled: Callable[[], bool],
    ) -> None:
        self._book = book
        self._sources = sources
        self._out = out
        self._out_path = out_path
        self._template = template
        self._asked = asked
        self._overwrite = overwrite
        self._manifest = manifest
        self._report = report
        self._cancelled = cancelled

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
        count = 0
        for page in _pages(rows):
            self._go_on()
            seen = self._sources.examine([row.source for row in page])
            drafts = [self._draft(row, found) for row, found in zip(page, seen, strict=True)]
            self._book.add(drafts)
            count += len(page)
            self._report(Planning(rows=count))
        self._book.finish_reading()

    def _draft(self, row: Row | BadRow, seen: Seen) -> DraftRow:
        source = _place(row.source)
        if isinstance(row, BadRow):
            return DraftRow(row=row, source=source, fault=row.faults[0], identity=seen.identity)
        found = seen.found
        facts = found if isinstance(found, SourceFacts) else None
        problem = found if isinstance(found, Problem) else facts.problem if facts else None
        if problem is not None:
            fault = Fault(reason=problem.what, column="image", advice=problem.advice)
            bad = _as_bad(row, fault)
            return DraftRow(row=bad, source=source, fault=fault, identity=seen.identity)
        url = row.source.url if isinstance(row.source, UrlSource) else None
        keyed = key_row(row, facts, url)
        self._warn(keyed)
        path = row.output or self._default(keyed, NameLevel.STEM)
        return DraftRow(
            row=row,
            source=source,
            keyed=keyed,
            identity=seen.identity,
            size=facts.picture.upright if facts and facts.picture else None,
            path=path,
            fold=fold(path),
            level=-1 if row.output else NameLevel.STEM,
        )

    def _warn(self, keyed: KeyedRow) -> None:
        picture = keyed.facts.picture if keyed.facts else None
        warnings = text_warnings(keyed.row.instruction, keyed.row.negative_prompt)
        for warning in (*(picture_warnings(picture) if picture else ()), *warnings):
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
        clashes = True
        while clashes:
            clashes = False
            for page in self._book.contested_names():
                self._go_on()
                self._rename(page)
                clashes = True

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
        path = self._default(keyed, level)
        return keyed.row.number, path, fold(path), level

    def _default(self, keyed: KeyedRow, level: NameLevel) -> str:
        return default_output(
            mirror=keyed.row.mirror,
            level=level,
            key_hex=keyed.key.hex(),
            template=self._template,
            id=keyed.row.id,
            take=keyed.row.take,
        )

    def _refuse_impossible_paths(self) -> None:
        self._book.add_folders(_folders(self._book.paths()))
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
            self._book.judge([self._judged(holding) for holding in page])

    def _judged(self, holding: Holding) -> Judged:
        occupant, stamp = self._out.occupant(holding)
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
        count = 0
        for line, image, fault in self._book.refused():
            count += 1
            self._report(
                RowRefused(
                    where=self._where(line, fault.column),
                    image=image,
                    reason=fault.reason,
                    advice=fault.advice,
                ),
            )
        return count

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


def _folders(paths: Iterable[str]) -> Iterator[str]:
    """Every folder that the paths lie in, folded; one that repeats at once is told once."""
    last = ""
    for path in paths:
        folder = path.rpartition("/")[0]
        if folder == last:
            continue
        last = folder
        while folder:
            yield fold(folder)
            folder = folder.rpartition("/")[0]


def _place(source: Source | None) -> str:
    """The absolute path or the URL of a source."""
    match source:
        case FileSource(path):
            return path
        case UrlSource(url):
            return url
        case InlineSource(manifest):
            return manifest
        case None:
            return ""


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
