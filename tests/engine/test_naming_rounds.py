from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from qwenbatch.core.claims import NameClaims
from qwenbatch.core.items import Row, UrlSource
from qwenbatch.core.keys import EditKey
from qwenbatch.core.limits import MODEL_LIMITS
from qwenbatch.core.naming import NameLevel, default_output
from qwenbatch.core.occupancy import Occupant
from qwenbatch.core.paths import fold, parse_template
from qwenbatch.core.placements import FileStamp, Preparation, Saved
from qwenbatch.core.plan import Asked, key_row
from qwenbatch.engine import planner
from qwenbatch.engine.planner import Planner
from qwenbatch.imaging.reader import SeenSource
from qwenbatch.ledger import database, placements
from qwenbatch.ledger.plan import PlanStore, make_tables
from qwenbatch.ledger.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from qwenbatch.core.holdings import Holding
    from qwenbatch.core.items import Source
    from qwenbatch.core.paths import Template

MIRRORS = ["a.jpg", "A.jpg", "a.png", "a.jpg.jpg", "a.jpg.png", "sub/b.jpg", "sub/b.png", "c"]
OUTPUTS = ["a.png", "a.jpg.png", "sub/B.png"]
ROWS = st.lists(
    st.builds(
        lambda mirror, words, output: (mirror, words, output),
        st.sampled_from(MIRRORS),
        st.sampled_from(["x", "y", "z"]),
        st.sampled_from([None, None, None, None, *OUTPUTS]),
    ),
    max_size=12,
)
TEMPLATES = [None, None, parse_template("{dir}/{stem}"), parse_template("{id}-{take}")]


@dataclass
class Named:
    """A row with the name that it has now; `path` None: it is refused."""

    key: EditKey
    row: Row
    level: int
    path: str | None


def by_the_rules(
    rows: list[Row],
    held: set[tuple[EditKey, str]],
    template: Template | None,
) -> dict[int, str | None]:
    """Round after round over all rows: whoever clashes goes one level on, until none does."""
    named = [
        Named(key, row, -1 if row.output else 0, row.output or default(row, key, 0, template))
        for row in rows
        for key in [key_row(row, None, url(row)).key]
    ]
    for one in clashing([one for one in named if one.level < 0]):
        one.path = None
    while clash := [
        one for one in clashing(named) if one.level >= 0 and not holds(one, named, held)
    ]:
        for one in clash:
            last = one.level == NameLevel.KEYED
            one.level += 1
            one.path = None if last else default(one.row, one.key, one.level, template)
    return {one.row.number: one.path for one in named}


def clashing(named: list[Named]) -> list[Named]:
    wanted: dict[str, set[tuple[EditKey, str]]] = defaultdict(set)
    for one in named:
        if one.path is not None:
            wanted[fold(one.path)].add((one.key, one.path))
    return [one for one in named if one.path is not None and len(wanted[fold(one.path)]) > 1]


def holds(one: Named, named: list[Named], held: set[tuple[EditKey, str]]) -> bool:
    return (one.key, one.path) in held and not any(
        other.level < 0
        and other.path is not None
        and fold(other.path) == fold(one.path or "")
        and other.key != one.key
        for other in named
    )


def default(row: Row, key: EditKey, level: int, template: Template | None) -> str:
    return default_output(
        mirror=row.mirror,
        level=NameLevel(level),
        key_hex=key.hex(),
        template=template,
        id=row.id,
        take=row.take,
    )


def url(row: Row) -> str:
    assert isinstance(row.source, UrlSource)
    return row.source.url


class Urls:
    """Sources that only the service reads."""

    def examine(self, sources: Sequence[Source | None]) -> list[SeenSource]:
        return [SeenSource(None, None) for _ in sources]


class Nowhere:
    """An OUT in which nothing lies yet; it keeps the path that each row came to."""

    def __init__(self) -> None:
        self.paths: dict[int, str] = {}

    def occupants(self, holdings: Sequence[Holding]) -> list[tuple[Occupant, FileStamp | None]]:
        self.paths.update((holding.number, holding.path) for holding in holdings)
        return [(Occupant.NOTHING, None)] * len(holdings)


def planned(
    rows: list[Row],
    held: set[tuple[EditKey, str]],
    template: Template | None,
) -> dict[int, str]:
    db = database.blank()
    make_tables(db)
    for key, path in held:
        hold(db, key, path)
    writer, out = Writer(db), Nowhere()
    try:
        Planner(
            book=PlanStore(writer),
            sources=Urls(),
            out=out,
            out_path="/out",
            template=template,
            asked=Asked(),
            overwrite=False,
            limits=MODEL_LIMITS,
            manifest="m.csv",
            report=lambda _: None,
            cancelled=lambda: False,
        ).plan(rows)
    finally:
        writer.close()
    return out.paths


def hold(db: apsw.Connection, key: EditKey, path: str) -> None:
    db.execute(
        "INSERT INTO edits (key, state) VALUES (?, 'edited') ON CONFLICT DO NOTHING",
        (key,),
    )
    placements.want_again(db, key, path)
    placements.prepare(
        db,
        Preparation(key=key, path=path, suffix="", replaced=None, digest=b"d" * 32, size=3),
    )
    placements.save(db, Saved(key=key, path=path, stamp=FileStamp(3, 4, 5)))


@given(ROWS, st.data(), st.sampled_from(TEMPLATES), st.sampled_from([1, 2, 1000]))
@settings(max_examples=200, deadline=None)
def test_names_are_those_of_plain_rounds_over_all_rows(
    stated: list[tuple[str, str, str | None]],
    data: st.DataObject,
    template: Template | None,
    page: int,
) -> None:
    rows = [
        Row(
            number=number,
            line=number + 1,
            image="",
            source=UrlSource(f"https://x.test/{mirror}"),
            mirror=mirror,
            instruction=words,
            output=output,
            id=words,
        )
        for number, (mirror, words, output) in enumerate(stated, 1)
    ]
    fresh = by_the_rules(rows, set(), template)
    # What an earlier run over some of these rows would hold.
    earlier = data.draw(st.sets(st.sampled_from(rows))) if rows else set()
    before = by_the_rules([row for row in rows if row in earlier], set(), template)
    held = {
        (key_row(row, None, url(row)).key, path)
        for row in rows
        if (path := before.get(row.number)) is not None
    }
    for holding, wanted in ((set(), fresh), (held, by_the_rules(rows, held, template))):
        before_page, planner.PAGE = planner.PAGE, page
        try:
            paths = planned(rows, holding, template)
        finally:
            planner.PAGE = before_page
        folders = {
            parent
            for path in wanted.values()
            if path is not None
            for parent in [fold(path).rpartition("/")[0]]
        }
        assert paths == {
            number: path
            for number, path in wanted.items()
            if path is not None and fold(path) not in folders
        }


def test_claims_beyond_the_bound_are_left_to_the_rounds() -> None:
    claims = NameClaims(most=1)
    one, two = EditKey(b"1" * 32), EditKey(b"2" * 32)
    assert not claims.is_contested("a.png", one, "a.png")
    assert not claims.is_contested("b.png", one, "b.png")
    assert not claims.is_contested("b.png", two, "b.png")
    assert not claims.is_contested("a.png", one, "a.png")
    assert claims.is_contested("a.png", one, "A.png")
    assert claims.is_contested("a.png", one, "a.png")
