from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Self

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwenbatch.core.items import BadRow, Fault, FileSource, Row
from qwenbatch.core.keys import EditKey
from qwenbatch.core.paths import fold
from qwenbatch.core.placements import FileStamp, Preparation, Saved
from qwenbatch.core.plan import DraftRow, Fate, Judged, KeyedRow, NamedRow
from qwenbatch.core.states import EditState, PlacementState
from qwenbatch.ledger import database, edits, placements
from qwenbatch.ledger.agenda import Agenda
from qwenbatch.ledger.plan import PAGE, PlanStore, make_tables
from qwenbatch.ledger.writer import Writer
from tests.ledger.conftest import NOW, Book

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OUT = "/out"
PATHS = st.sampled_from(["a.png", "A.png", "b.png", "c", "c/d.png", "C/e.png", "c/d.png/f.png"])


@dataclass(frozen=True)
class Line:
    """One row of a generated manifest."""

    edit: int
    path: str
    level: int
    source: str
    bad: bool


LINES = st.builds(
    Line,
    edit=st.integers(0, 3),
    path=PATHS,
    level=st.sampled_from([-1, -1, 0, 1, 2]),
    source=st.sampled_from(["/in/1.png", "/in/2.png", f"{OUT}/a.png", f"{OUT}/c/d.png"]),
    bad=st.integers(0, 5).map(lambda number: number == 0),
)
MANIFESTS = st.lists(LINES, max_size=14)


def key(number: int) -> EditKey:
    return EditKey(sha256(b"%d" % number).digest())


def row(number: int, line: Line) -> Row:
    return Row(
        number=number,
        line=number + 1,
        image=line.source,
        source=FileSource(line.source),
        mirror="x.png",
        instruction=str(line.edit),
        output=line.path if line.level < 0 else None,
    )


def draft(number: int, line: Line) -> DraftRow:
    whole = row(number, line)
    identity = (1, sum(line.source.encode()))
    if line.bad:
        fault = Fault(reason="bad")
        bad = BadRow(number=number, line=number + 1, faults=(fault,), image=whole.image)
        return DraftRow(row=bad, source=line.source, fault=fault, identity=identity)
    return DraftRow(
        row=whole,
        source=line.source,
        keyed=KeyedRow(row=whole, key=key(line.edit)),
        identity=identity,
        path=line.path,
        fold=fold(line.path),
        level=line.level,
    )


class Planned:
    """A manifest in a store, and in a list."""

    def __init__(self, lines: list[Line], passed: Sequence[tuple[int, str]] = ()) -> None:
        self.db = database.blank()
        self.book = Book(self.db)
        self.writer = Writer(self.db)
        self.writer.now(make_tables)
        self.store = PlanStore(self.writer)
        self.lines = dict(enumerate(lines, 1))
        drafts = [draft(number, line) for number, line in self.lines.items()]
        self.store.add(drafts[:3])
        self.store.add(drafts[3:])
        self.store.finish_reading(passed)

    def contested(self, level: int = 2) -> list[NamedRow]:
        return [named for page in self.store.contested_names(level) for named in page]

    def paths(self) -> list[str]:
        return [holding.path for page in self.store.holdings() for holding in page]

    @property
    def good(self) -> dict[int, Line]:
        return {number: line for number, line in self.lines.items() if not line.bad}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()


def contested(lines: dict[int, Line]) -> dict[int, str]:
    """Rows whose path, to a case-blind eye, is that of another edit or is spelt otherwise."""
    by_fold: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for line in lines.values():
        by_fold[fold(line.path)].add((line.edit, line.path))
    return {
        number: line.path for number, line in lines.items() if len(by_fold[fold(line.path)]) > 1
    }


@given(MANIFESTS)
@settings(deadline=None)
def test_plan_contested_outputs_are_those_of_a_plain_look(lines: list[Line]) -> None:
    with Planned(lines) as planned:
        named = {number: line for number, line in planned.good.items() if line.level < 0}
        assert dict(planned.store.contested_outputs()) == contested(named)


@given(MANIFESTS)
@settings(deadline=None)
def test_plan_contested_names_are_those_of_a_plain_look(lines: list[Line]) -> None:
    with Planned(lines) as planned:
        wanted = {
            number: planned.lines[number].level
            for number in contested(planned.good)
            if planned.lines[number].level >= 0
        }
        found = planned.contested()
        assert {named.keyed.row.number: named.level for named in found} == wanted
        assert all(
            named.keyed.key == key(planned.lines[named.keyed.row.number].edit) for named in found
        )


@given(MANIFESTS, st.integers(0, 2))
@settings(deadline=None)
def test_plan_contested_names_of_a_round_leave_out_later_levels(
    lines: list[Line],
    level: int,
) -> None:
    with Planned(lines) as planned:
        early = {number: line for number, line in planned.good.items() if line.level <= level}
        wanted = {number for number in contested(early) if early[number].level >= 0}
        assert {named.keyed.row.number for named in planned.contested(level)} == wanted


@given(MANIFESTS, st.sampled_from([0, 1]), PATHS.map(fold))
@settings(deadline=None)
def test_plan_a_name_that_rows_passed_by_is_contested_in_that_round(
    lines: list[Line],
    level: int,
    passed: str,
) -> None:
    with Planned(lines) as planned:
        before = planned.contested(level)
    with Planned(lines, [(level, passed)]) as planned:
        wanted = {named.keyed.row.number for named in before} | {
            number
            for number, line in planned.good.items()
            if 0 <= line.level <= level and fold(line.path) == passed
        }
        assert {named.keyed.row.number for named in planned.contested(level)} == wanted
        assert {named.keyed.row.number for named in planned.contested(2)} == {
            number for number in contested(planned.good) if planned.lines[number].level >= 0
        }


@given(MANIFESTS)
@settings(deadline=None)
def test_plan_outputs_that_are_folders_are_those_of_a_plain_look(lines: list[Line]) -> None:
    with Planned(lines) as planned:
        folders = set()
        for line in planned.good.values():
            parts = fold(line.path).split("/")
            folders |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        assert dict(planned.store.outputs_that_are_folders()) == {
            number: line.path for number, line in planned.good.items() if fold(line.path) in folders
        }


@given(MANIFESTS)
@settings(deadline=None)
def test_plan_outputs_that_are_sources_are_those_of_a_plain_look(lines: list[Line]) -> None:
    with Planned(lines) as planned:
        sources = {line.source for line in lines}
        assert dict(planned.store.outputs_that_are_sources(OUT)) == {
            number: line.path
            for number, line in planned.good.items()
            if f"{OUT}/{line.path}" in sources
        }
        for source in ("/in/1.png", f"{OUT}/a.png"):
            inode = sum(source.encode())
            assert planned.store.is_source(source, 0, 0) == (source in sources)
            assert planned.store.is_source("/elsewhere", 1, inode) == (source in sources)
            assert not planned.store.is_source("/elsewhere", 2, inode)


@given(MANIFESTS, st.sets(st.integers(1, 14)))
@settings(deadline=None)
def test_plan_refused_rows_are_told_in_order_and_counted_out(
    lines: list[Line],
    refused: set[int],
) -> None:
    with Planned(lines) as planned:
        fault = Fault(reason="late", column="output")
        planned.store.refuse((number, fault) for number in refused & set(planned.good))
        told = list(planned.store.refused())
        invalid = [n for n, line in planned.lines.items() if line.bad or n in refused]
        assert [(line, image) for line, image, _ in told] == [
            (number + 1, planned.lines[number].source) for number in invalid
        ]
        valid = [line.path for n, line in planned.good.items() if n not in refused]
        assert planned.paths() == valid


@given(MANIFESTS)
@settings(max_examples=50, deadline=None)
def test_plan_agenda_sends_each_edit_once_in_the_manifests_order(lines: list[Line]) -> None:
    with Planned(lines) as planned:
        planned.store.judge(
            [
                Judged(number=number, fate=Fate.SEND, expected=EditState.PENDING)
                for number in planned.good
            ],
        )

        async def collect() -> list[tuple[EditKey, tuple[str, ...], int]]:
            agenda = Agenda(planned.writer)
            return [(one.key, one.paths, one.items) async for one in agenda.edits()]

        wanted: dict[int, list[str]] = defaultdict(list)
        for line in planned.good.values():
            wanted[line.edit].append(line.path)
        assert anyio.run(collect) == [
            (key(edit), tuple(dict.fromkeys(paths)), len(paths)) for edit, paths in wanted.items()
        ]


# ---------------------------------------------------------------------- what the ledger has


@pytest.fixture
def planned() -> Iterator[Planned]:
    lines = [
        Line(edit=edit, path="p.png", level=0, source="/in/1.png", bad=False) for edit in (0, 1)
    ]
    with Planned(lines) as one:
        yield one


def place(planned: Planned, edit: int, path: str, digest: bytes = b"d" * 32) -> None:
    def move(db: object) -> None:
        connection = planned.db
        assert db is connection
        connection.execute(
            "INSERT INTO edits (key, state) VALUES (?, 'edited') ON CONFLICT DO NOTHING",
            (key(edit),),
        )
        placements.want_again(connection, key(edit), path)
        preparation = Preparation(
            key=key(edit),
            path=path,
            suffix="",
            replaced=None,
            digest=digest,
            size=3,
        )
        placements.prepare(connection, preparation)
        saved = Saved(key=key(edit), path=path, stamp=FileStamp(3, 4, 5))
        placements.save(connection, saved)

    planned.writer.now(move)


def test_plan_an_edit_that_holds_its_path_keeps_it(planned: Planned) -> None:
    place(planned, 0, "p.png")
    found = planned.contested()
    assert [named.keyed.key for named in found] == [key(1)]


def test_plan_an_edit_whose_path_another_row_names_keeps_it_not() -> None:
    lines = [
        Line(edit=0, path="p.png", level=0, source="/in/1.png", bad=False),
        Line(edit=1, path="p.png", level=-1, source="/in/1.png", bad=False),
    ]
    with Planned(lines) as planned:
        place(planned, 0, "p.png")
        found = planned.contested()
        assert [named.keyed.key for named in found] == [key(0)]


def test_plan_renamed_rows_contest_no_more(planned: Planned) -> None:
    for page in planned.store.contested_names(2):
        planned.store.rename(
            (named.keyed.row.number, path, fold(path), 1)
            for named in page
            for path in [f"{named.keyed.row.number}.png"]
        )
    assert planned.contested() == []
    assert planned.paths() == ["1.png", "2.png"]


def test_plan_holdings_tell_an_edit_its_placement_and_the_paths_owner(planned: Planned) -> None:
    place(planned, 1, "p.png", digest=b"x" * 32)
    (first, second), *more = planned.store.holdings()
    assert more == []
    assert first.standing.edit is None
    assert second.standing.edit is EditState.EDITED
    assert second.standing.placement is PlacementState.SAVED
    for holding in (first, second):
        assert holding.owner is not None
        assert holding.owner.key == key(1)
        assert holding.owner.digest == b"x" * 32
        assert holding.owner.stamp == FileStamp(3, 4, 5)
    assert [known.key for known in planned.store.known_files("p.png")] == [key(1)]
    assert planned.store.known_files("q.png") == []


def test_plan_many_pages_leave_no_row_out() -> None:
    many = 2 * PAGE + 1
    lines = [
        Line(edit=number, path=f"{number}.png", level=0, source="/in/1.png", bad=False)
        for number in range(many)
    ]
    with Planned(lines) as planned:
        assert len(planned.paths()) == many
        assert [len(page) for page in planned.store.holdings()] == [PAGE, PAGE, 1]


def test_plan_leaves_the_ledger_itself_alone(planned: Planned) -> None:
    assert planned.writer.now(lambda db: db.execute("SELECT count(*) FROM edits").get) == 0
    assert planned.writer.now(lambda db: edits.recover(db, now=NOW)) == 0
