"""Programs that use the library, against a sandbox over sockets whose books are the judge."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import qwenbatch
from tests.e2e.conftest import KEY, open_house, png, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from qwenbatch import Item, Outcome, Settings
    from tests.e2e.conftest import House

SECONDS = 20.0


@dataclass(slots=True)
class Studio:
    """A working directory with pictures, and the gateway."""

    folder: Path
    house: House

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def settings(self, **more: Any) -> Settings:
        return qwenbatch.Settings(**{"gateway": self.house.url, "rate": 200.0, **more})

    def picture(self, name: str, shade: int = 0) -> str:
        (self.folder / name).write_bytes(png(shade))
        return name

    def items(self, count: int, stem: str = "p") -> list[Item]:
        """Items with a picture and an instruction of their own."""
        return [
            qwenbatch.Item(self.picture(f"{stem}{number:02}.png", number), f"mirror {stem}{number}")
            for number in range(count)
        ]

    def run(self, items: Any, **more: Any) -> tuple[list[Outcome], qwenbatch.Summary]:
        """A blocking run to its end."""
        told: list[Outcome] = []
        settings = self.settings(**more)
        summary = qwenbatch.run(items, out=self.out, settings=settings, on_outcome=told.append)
        return told, summary

    async def wait_in_flight(self, count: int) -> None:
        """Wait for so many POSTs in flight, letting the event loop run."""
        await asyncio.to_thread(partial(self.house.wait_in_flight, count))


@dataclass(slots=True)
class Program:
    """A program in a process of its own."""

    process: subprocess.Popen[bytes]
    said: Path

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def says(self, words: str) -> None:
        """Wait until it wrote these words."""

        def said() -> bool:
            assert self.process.poll() is None or words in self.said.read_text(), (
                self.said.read_text()
            )
            return words in self.said.read_text()

        until(said, f"{words!r}")

    def wait(self) -> str:
        """What it wrote until its end."""
        self.process.wait(SECONDS)
        return self.said.read_text()


@pytest.fixture
def studio_with(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Studio]]:
    """Opens a studio at a sandbox with these settings."""
    monkeypatch.setenv("QWENBATCH_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        yield lambda **settings: Studio(tmp_path, stack.enter_context(open_house(**settings)))


@pytest.fixture
def studio(studio_with: Callable[..., Studio]) -> Studio:
    return studio_with()


@pytest.fixture
def slow_studio(studio_with: Callable[..., Studio]) -> Studio:
    """Its edits take so long that a test ends sooner."""
    return studio_with(latency=(60.0, 60.0))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts a program's text in the studio's folder."""
    started: list[Program] = []

    def begin(text: str, *arguments: str) -> Program:
        said = tmp_path / "said"
        with said.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-c", text, *arguments],
                cwd=tmp_path,
                env=dict(os.environ, PYTHONUNBUFFERED="1"),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        started.append(Program(process, said))
        return started[-1]

    yield begin
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait(SECONDS)
