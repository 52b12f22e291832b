from __future__ import annotations

import json
import shutil
from contextlib import closing, redirect_stderr, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
import apsw
import pytest
from hypothesis import strategies as st

from qwenbatch.cli.app import command
from qwenbatch.core.attempts import AttemptEnd, AttemptId
from qwenbatch.core.keys import EditKey
from qwenbatch.core.states import EditEvent
from qwenbatch.errors import QwenbatchError
from qwenbatch.ledger import runs, spool
from qwenbatch.sandbox import Fault, FaultKind, Sandbox, SandboxSettings
from qwenbatch.wiring.batch import Batch
from qwenbatch.wiring.opening import ledger_to_write
from qwenbatch.wiring.outs import out_at
from qwenbatch.wiring.settings import RunSettings
from tests.fuzz.conftest import TOKENS, changed, changes
from tests.imaging.conftest import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fuzz.conftest import Fuzz

pytestmark = pytest.mark.fuzz

DEFECT = 1
WORDS = (
    b"edited",
    b"sending",
    b"pending",
    b"uncertain",
    b"waiting",
    b"saved",
    b"lost",
    b"paid",
    b"reserved",
    b"moderated",
    b"throttled",
    b"deadline",
    b"{}",
    b"null",
    b"../",
    b"\xff",
    b"\x1b[2J",
)


async def _yes(_: object) -> bool:
    return True


async def _edit(source: Path, out: Path) -> None:
    async with Sandbox(SandboxSettings()) as sandbox:
        for kind, word in ((FaultKind.MODERATED, "refuse"), (FaultKind.GAVE_UP, "doubt")):
            sandbox.script(Fault(kind=kind, match=word, times=None))
        settings = RunSettings(source=source, out=out, gateway=sandbox.url, rate=1000.0, attempts=1)
        await Batch(settings, report=lambda _: None, ask=_yes, approve=_yes).run()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a manifest, and in `out` what a run over it left."""
    monkeypatch.setenv("QWENBATCH_API_KEY", "sandbox")
    (tmp_path / "a.png").write_bytes(SAMPLES["png-rgb"].data)
    words = ("sepia", "refuse", "doubt", "mirror")
    rows = [{"image": "a.png", "instruction": word, "output": f"{word}.png"} for word in words]
    source = tmp_path / "m.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    anyio.run(_edit, source, tmp_path / "out")
    with closing(apsw.Connection(str(tmp_path / "out/.qwenbatch/ledger.db"))) as db:
        db.execute("UPDATE placements SET state = 'lost' WHERE path = 'mirror.png'")
        db.pragma("wal_checkpoint(TRUNCATE)")
    shutil.copytree(tmp_path / "out", tmp_path / "sound")
    return tmp_path


def fresh(kept: Path) -> Path:
    """OUT as the run left it; its own folder."""
    shutil.rmtree(kept / "out")
    shutil.copytree(kept / "sound", kept / "out")
    return kept / "out" / ".qwenbatch"


def said(*words: object) -> int:
    """Call `qwenbatch`; its exit status, which must not be that of a defect."""
    out, errors = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        status = command([str(word) for word in words])
    told = out.getvalue() + errors.getvalue()
    assert status != DEFECT, f"{words}: {told}"
    assert "Traceback" not in told
    return status


def begin(out: Path, source: Path) -> bool:
    """What a run does first with its ledger; False if it was refused."""
    settings = RunSettings(source=source, out=out)
    try:
        with ledger_to_write(settings, out_at(out, None)) as ledger:
            found = list(spool.read(ledger.spool))
            ledger.writer.now(
                lambda db: runs.begin(db, name="r", manifest=str(source), spooled=found, now=1)
            )
    except QwenbatchError:
        return False
    return True


LOOKS: tuple[Callable[[Path], tuple[object, ...]], ...] = (
    lambda kept: ("status", kept / "out"),
    lambda kept: ("status", kept / "out", "--json"),
    lambda kept: ("audit", kept / "out"),
    lambda kept: ("export", kept / "out"),
    lambda kept: ("export", kept / "out", "--state", "failed", "--format", "jsonl"),
    lambda kept: ("check", kept / "m.jsonl", "-o", kept / "out", "--json"),
)


def test_ledger_fuzzed_is_looked_at_or_refused_and_not_changed(fuzz: Fuzz, kept: Path) -> None:
    def check(value: tuple[Any, list[Any]]) -> None:
        look, steps = value
        file = fresh(kept) / "ledger.db"
        data = changed(file.read_bytes(), steps)
        file.write_bytes(data)
        said(*look(kept))
        assert file.read_bytes() == data

    fuzz(st.tuples(st.sampled_from(LOOKS), changes(TOKENS + WORDS)), check)


def test_ledger_fuzzed_is_begun_with_or_refused_and_not_changed(fuzz: Fuzz, kept: Path) -> None:
    def check(steps: list[Any]) -> None:
        file = fresh(kept) / "ledger.db"
        data = changed(file.read_bytes(), steps)
        file.write_bytes(data)
        if not begin(kept / "out", kept / "m.jsonl"):
            assert file.read_bytes() == data

    fuzz(changes(TOKENS + WORDS), check)


def test_ledger_fuzzed_is_repaired_or_refused(fuzz: Fuzz, kept: Path) -> None:
    def check(steps: list[Any]) -> None:
        own = fresh(kept)
        data = changed((own / "ledger.db").read_bytes(), steps)
        (own / "ledger.db").write_bytes(data)
        said("doctor", "--repair", kept / "out")
        kept_aside = [path.read_bytes() for path in own.glob("ledger.db*") if path.is_file()]
        assert data in kept_aside

    fuzz(changes(TOKENS + WORDS), check)


def test_companions_fuzzed_are_read_or_refused(fuzz: Fuzz, kept: Path) -> None:
    """The note that leads to a ledger elsewhere, the lock's words, and SQLite's log."""
    names = ("ledger.json", "ledger.db.lock", "ledger.db-wal", "ledger.db-shm")
    note = json.dumps({"id": "1", "path": "/nowhere/ledger.db"}).encode()
    tokens = (*TOKENS, b'"path": "\\u0000"', b"\xff", b"[" * 10_000, b"null")

    def check(value: tuple[str, bytes, Any]) -> None:
        name, data, look = value
        (fresh(kept) / name).write_bytes(data)
        said(*look(kept))
        begin(kept / "out", kept / "m.jsonl")

    data = st.one_of(st.builds(changed, st.just(note), changes(tokens)), st.binary(max_size=200))
    fuzz(st.tuples(st.sampled_from(names), data, st.sampled_from(LOOKS)), check)


def records(count: int) -> list[spool.Spooled]:
    """As many ends of attempts, as a spool takes them."""
    return [
        spool.SpooledEnd(
            ended=AttemptEnd(
                key=EditKey(bytes([number]) * 32),
                attempt=AttemptId(UUID(int=number)),
                event=EditEvent.ANSWERED,
                kind=None,
                status=200,
                url="https://e.com/a.png",
                raw=b"{}",
            ),
            at=1,
        )
        for number in range(count)
    ]


def test_spool_fuzzed_gives_nothing_but_what_was_written(
    fuzz: Fuzz,
    kept: Path,
    tmp_path: Path,
) -> None:
    written, sound = records(3), tmp_path / "spool"
    open_spool = spool.Spool(sound, records=2)
    for record in written:
        open_spool.add(record)
    open_spool.close()
    data = sound.read_bytes()[:2000]

    def check(steps: list[Any]) -> None:
        own = fresh(kept)
        (own / "ledger.db.spool").write_bytes(changed(data, steps))
        assert all(one in written for one in spool.read(own / "ledger.db.spool"))
        begin(kept / "out", kept / "m.jsonl")

    fuzz(changes(), check)
