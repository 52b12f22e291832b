"""Commands called as the shell calls them, on ledgers that real runs against a sandbox made."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import typer

from qwenbatch.cli.export import export
from qwenbatch.cli.status import status
from qwenbatch.core.plan import Asked
from qwenbatch.sandbox import Fault, FaultKind, Sandbox, SandboxSettings
from qwenbatch.wiring.batch import Batch
from qwenbatch.wiring.settings import RunSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qwenbatch.core.events import Event
    from qwenbatch.core.summary import Summary

IMAGES = Path(__file__).parent.parent / "images"


async def yes(_: object) -> bool:
    return True


@dataclass(slots=True)
class Shop:
    """A folder with pictures, from which batches are run."""

    folder: Path
    out: Path = field(init=False)

    def __post_init__(self) -> None:
        self.out = self.folder / "out"

    def picture(self, name: str, of: str = "rocket.jpg") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(IMAGES / of, path)
        return path

    def manifest(self, name: str, *rows: dict[str, Any]) -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def run(
        self,
        source: Path,
        *,
        refuse: str | None = None,
        doubt: str | None = None,
        asked: Asked | None = None,
        instruction: str | None = None,
        ledger: Path | None = None,
        report: Callable[[Event], None] = lambda _: None,
        **more: Any,
    ) -> tuple[Summary, int]:
        """Run a batch; its summary, and how many POSTs the gateway saw.

        It refuses what has the word `refuse` in its instruction, and gives up on, but bills, what
        has the word `doubt`.
        """

        async def lead() -> tuple[Summary, int]:
            async with Sandbox(SandboxSettings()) as sandbox:
                for kind, word in ((FaultKind.MODERATED, refuse), (FaultKind.GAVE_UP, doubt)):
                    if word is not None:
                        sandbox.script(Fault(kind=kind, match=word, times=None))
                settings = RunSettings(
                    source=source,
                    out=self.out,
                    gateway=sandbox.url,
                    rate=1000.0,
                    attempts=1,
                    asked=asked or Asked(),
                    instruction=instruction,
                    ledger=ledger,
                    **more,
                )
                batch = Batch(settings, report=report, ask=yes, approve=yes)
                return await batch.run(), sandbox.books.posts

        return anyio.run(lead)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("QWENBATCH_API_KEY", "sandbox")
    return Shop(tmp_path)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Call a command with its arguments; what it printed. Errors of ours come out as they are."""
    app = typer.Typer()
    app.command()(status)
    app.command()(export)

    def run(*arguments: object) -> str:
        words = [str(word) for word in arguments]
        typer.main.get_command(app).main(args=words, prog_name="q", standalone_mode=False)
        return capsys.readouterr().out

    return run


BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Central Europe: 2026-03-29 has no 02:00 to 03:00, 2026-10-25 has it twice."""
    monkeypatch.setenv("TZ", BERLIN)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
