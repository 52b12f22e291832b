"""Many rows: what a check and a resume cost each, and a ledger of a million edits."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from qwenbatch.core.items import FileSource, Row
from qwenbatch.core.plan import key_row
from qwenbatch.core.sources import SourceFacts
from qwenbatch.imaging.sources import examine_source
from qwenbatch.ledger import database
from qwenbatch.ledger.plan import make_tables
from qwenbatch.ledger.writer import Writer
from qwenbatch.results.occupancy import stamp_of
from tests.benchmarks.children import run_python
from tests.benchmarks.manifests import (
    INSTRUCTION,
    SOURCES,
    bare_loop,
    image_of,
    output_of,
    write_manifest,
)
from tests.benchmarks.rows import Row as Finding
from tests.benchmarks.settled import Settled, settle, shop_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.benchmarks.children import Spent

FEW, MANY = 200_000, 1_000_000
CHECK, RESUME = 40.0, 60.0
"""Microseconds of CPU a row."""
LOOP = 5.0
"""Microseconds that the bare loop takes where those hold; a slower machine has as many loops."""
MOST_MEGABYTES = 250
MOST_BYTES = 600


def measure() -> Iterator[Finding]:
    """Everything, in a folder that is removed afterwards."""
    with TemporaryDirectory(prefix="bench-scale-") as name:
        folder = Path(name)
        for rows, outputs in ((FEW, True), (FEW, False), (MANY, True), (MANY, False)):
            yield from _check(folder, rows, outputs=outputs)
        yield from _resume(folder)
        yield from _million(folder)


def _check(folder: Path, rows: int, *, outputs: bool) -> Iterator[Finding]:
    manifest = write_manifest(folder, rows, outputs=outputs)
    out = folder / "nothing-yet"
    spent = _qwenbatch("check", str(manifest), "-o", str(out), "--sandbox", "--json", "--quiet")
    assert json.loads(spent.printed)["items"]["total"] == rows
    what = f"check {rows:,} rows {'with outputs' if outputs else 'whose names all clash'}"
    yield _per_row(what, spent, rows, bare_loop(manifest), CHECK)
    yield _memory(what, spent)


def _resume(folder: Path) -> Iterator[Finding]:
    manifest = write_manifest(folder, FEW, outputs=True)
    out = folder / "out"
    _fill(
        out,
        lambda writer: settle(writer, FEW, manifest=str(manifest), item=_saved_in(out, manifest)),
    )
    spent = _qwenbatch("run", str(manifest), "-o", str(out), "--sandbox", "--json", "--quiet")
    told = json.loads(spent.printed)
    what = f"resume over {FEW:,} saved items"
    yield _per_row(what, spent, FEW, bare_loop(manifest), RESUME)
    yield _memory(what, spent)
    sent, saved = told["edits"]["attempts"], told["items"]["saved"]
    yield Finding("scale", f"{what}: sent", str(sent), "0", met=(sent, saved) == (0, FEW))


def _million(folder: Path) -> Iterator[Finding]:
    out = folder / "million"
    ledger = _fill(out, lambda writer: settle(writer, MANY, manifest="/srv/pictures/shop.csv"))
    apart = sum(len(shop_item(number).keyed.row.instruction) for number in (1, MANY)) / 2
    size = ledger.stat().st_size / MANY - apart
    yield Finding(
        "scale",
        f"a ledger of {MANY:,} settled edits, each of a source of its own; instructions apart",
        f"{size:.0f} bytes an edit",
        f"< {MOST_BYTES}",
        met=size < MOST_BYTES,
    )
    _qwenbatch("status", str(out), "--json")
    spent = _qwenbatch("status", str(out), "--json")
    assert json.loads(spent.printed)["items"]["saved"] == MANY
    yield Finding("scale", "status on it", f"{spent.wall:.2f} s", "≤ 1 s", met=spent.cpu <= 1)


def _per_row(what: str, spent: Spent, rows: int, loop: float, most: float) -> Finding:
    cpu = spent.cpu / rows * 1e6
    loops, most_loops = cpu / loop, most / LOOP
    return Finding(
        "scale",
        f"{what}: CPU a row, against python's bare loop over it ({loop:.1f} µs)",
        f"{cpu:.0f} µs, {loops:.1f} × (wall {spent.wall / rows * 1e6:.0f} µs)",
        f"≤ {most:.0f} µs, or {most_loops:.0f} ×",
        met=cpu <= most or loops <= most_loops,
    )


def _memory(what: str, spent: Spent) -> Finding:
    return Finding(
        "scale",
        f"{what}: memory at its peak",
        f"{spent.megabytes:.0f} MB",
        f"≤ {MOST_MEGABYTES} MB",
        met=spent.megabytes <= MOST_MEGABYTES,
    )


def _fill(out: Path, fill: Callable[[Writer], None]) -> Path:
    ledger = out / ".qwenbatch" / "ledger.db"
    ledger.parent.mkdir(parents=True, mode=0o700)
    connection = database.create_or_open(ledger, service="sandbox")
    make_tables(connection)
    writer = Writer(connection)
    try:
        fill(writer)
    finally:
        writer.close()
    return ledger


def _saved_in(out: Path, manifest: Path) -> Callable[[int], Settled]:
    """Items of the manifest, each with a file in place; what lies in it is never looked at."""
    facts: dict[int, SourceFacts] = {}
    for number in range(SOURCES):
        found = examine_source(FileSource(str(manifest.parent / image_of(number))))
        assert isinstance(found, SourceFacts)
        facts[number] = found

    def item(number: int) -> Settled:
        image, output = image_of(number), output_of(number)
        row = Row(
            number=number,
            line=number + 1,
            image=image,
            source=FileSource(str(manifest.parent / image)),
            mirror=image,
            instruction=INSTRUCTION.format(number),
            output=output,
        )
        file = out / output
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        keyed = key_row(row, facts[number % SOURCES], None)
        return Settled(keyed, output, stamp_of(file.stat()), keyed.key)

    return item


def _qwenbatch(*arguments: str) -> Spent:
    return run_python(["-m", "qwenbatch", *arguments])
