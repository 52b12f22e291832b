"""A ledger at rest can be looked at where nothing can be written, and nothing is left beside it."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING

import anyio
import pytest

from qwenbatch.errors import DiskError
from qwenbatch.ledger.database import create_or_open
from qwenbatch.wiring.auditing import tell_findings
from qwenbatch.wiring.checking import check
from qwenbatch.wiring.settings import RunSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Shop

    Call = Callable[..., str]

NOBODY = 65_534


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Nothing in the folder, nor below it, can be written by us: root is nobody meanwhile."""
    root = os.geteuid() == 0
    below = [path for path in folder.rglob("*") if path.is_dir()]
    above = [path for path in folder.parents if root and path.stat().st_mode & 0o001 == 0]
    if root:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    for path in (folder, *below):
        path.chmod(0o500)
    for path in above:
        path.chmod(path.stat().st_mode | 0o011)
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in (folder, *below):
            path.chmod(0o700)
        for path in above:
            path.chmod(0o700)


@pytest.fixture
def source(shop: Shop) -> Path:
    shop.picture("a.jpg")
    source = shop.manifest("m.jsonl", {"image": "a.jpg", "instruction": "mirror"})
    shop.run(source)
    return source


def left(shop: Shop) -> list[str]:
    return sorted(path.name for path in (shop.out / ".qwenbatch").glob("ledger.db*"))


def checked(shop: Shop, source: Path) -> int:
    settings = RunSettings(source=source, out=shop.out)

    async def look() -> int:
        summary, _ = await check(settings, report=lambda _: None)
        return summary.items.saved

    return anyio.run(look)


def audited(shop: Shop) -> int:
    to = StringIO()
    tell_findings(shop.out, ledger=None, to=to, as_json=True)
    count: int = json.loads(to.getvalue())["checked"]
    return count


def test_every_look_works_on_a_ledger_that_cannot_be_written(
    shop: Shop,
    call: Call,
    source: Path,
) -> None:
    def looked_at() -> tuple[str, str, int, int]:
        return (
            call("status", shop.out, "--json"),
            call("export", shop.out),
            audited(shop),
            checked(shop, source),
        )

    written = looked_at()
    beside = left(shop)
    assert (written[2], written[3]) == (1, 1)

    with unwritable(shop.out):
        assert looked_at() == written

    assert left(shop) == beside


def test_an_empty_log_beside_the_ledger_is_no_obstacle(
    shop: Shop,
    call: Call,
    source: Path,
) -> None:
    assert source.exists()
    (shop.out / ".qwenbatch" / "ledger.db-wal").touch()
    with unwritable(shop.out):
        assert json.loads(call("status", shop.out, "--json"))["items"]["saved"] == 1


def test_a_ledger_with_a_full_log_is_said_to_be_unreadable_not_unwritable(
    shop: Shop,
    call: Call,
    source: Path,
) -> None:
    assert source.exists()
    own = shop.out / ".qwenbatch"
    db = create_or_open(own / "ledger.db", service="pixazo")
    db.execute("INSERT INTO paces VALUES ('g', 1.0)")
    log = (own / "ledger.db-wal").read_bytes()
    db.close()
    (own / "ledger.db-wal").write_bytes(log)

    with unwritable(shop.out), pytest.raises(DiskError, match="cannot be read") as refused:
        call("status", shop.out)

    assert "copy the ledger with its -wal" in refused.value.advice
