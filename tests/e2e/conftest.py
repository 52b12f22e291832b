"""The command as a process, and the sandbox whose books are the judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from PIL import Image

from qwenbatch.sandbox import Fault, FaultKind, Sandbox, SandboxSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from qwenbatch.sandbox import Books

KEY = "sandbox"
SECONDS = 20.0
"""The longest that anything in here is waited for."""


def until(holds: Callable[[], bool], what: str, *, seconds: float = SECONDS) -> None:
    """Wait until something is so, looking every 20 ms; fails after `seconds`."""
    last = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < last, f"waited {seconds:g} s in vain for: {what}"
        time.sleep(0.02)


def png(shade: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A small picture, another for each shade."""
    file = BytesIO()
    colour = (shade % 256, shade // 256 % 256, 90)
    Image.new("RGB", size, colour).save(file, "PNG", compress_level=1)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended: its exit status and what it wrote."""

    status: int
    stdout: str
    stderr: str

    @property
    def told(self) -> dict[str, Any]:
        """The one JSON object on stdout, which must agree with itself and the exit status."""
        assert self.stdout.count("\n") == 1, self.stdout + self.stderr
        told: dict[str, Any] = json.loads(self.stdout)
        assert told["exit_status"] == self.status, self.stdout
        items = told["items"]
        parts = ("saved", "failed", "invalid", "uncertain", "lost", "pending")
        assert sum(items[part] for part in parts) == items["total"], self.stdout
        assert items["reused"] <= items["saved"], self.stdout
        return told

    @property
    def items(self) -> dict[str, int]:
        """The counts of items that are not 0."""
        return {name: count for name, count in self.told["items"].items() if count}

    @property
    def edits(self) -> tuple[int, int]:
        """Attempts, and how many of them were paid."""
        return self.told["edits"]["attempts"], self.told["edits"]["paid"]

    @property
    def cost(self) -> dict[str, Any]:
        """The money that is told."""
        cost: dict[str, Any] = self.told["cost"]
        return cost


@dataclass(slots=True)
class House:
    """A sandbox in a thread of its own, judged by its books over HTTP."""

    sandbox: Sandbox
    portal: BlockingPortal

    @property
    def url(self) -> str:
        return self.sandbox.url

    def books(self) -> dict[str, Any]:
        """GET /books."""
        parts = urlsplit(self.sandbox.base_url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
        try:
            connection.request("GET", "/books")
            books: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert books["leaks"] == 0, "the key was shown to the bucket of results"
        return books

    def posts(self) -> int:
        """How many POSTs came."""
        posts: int = self.books()["posts"]
        return posts

    def billed(self) -> Counter[str]:
        """How often each instruction was billed."""
        billed: Counter[str] = Counter()
        for edit in self.books()["edits"].values():
            billed[edit["instruction"]] += edit["billed"]
        return +billed

    def starts(self) -> list[float]:
        """When POSTs arrived, in seconds of the machine's monotonic clock."""
        starts: list[float] = self.books()["starts"]
        return starts

    def fetches(self) -> int:
        """How many results were fetched, or tried to be."""
        return sum(self.books()["results_fetched"].values())

    def fail(
        self,
        kind: str,
        *,
        match: str | None = None,
        times: int | None = 1,
        variant: str | None = None,
        billed: bool | None = None,
        delay: float = 0.0,
    ) -> None:
        """Script a fault."""
        fault = Fault(
            kind=FaultKind(kind),
            match=match,
            times=times,
            variant=variant,
            billed=billed,
            delay=delay,
        )
        self.portal.call(self.sandbox.script, fault)

    def mend(self) -> None:
        """Forget the scripted faults."""
        self.portal.call(self.sandbox.clear_faults)

    def wait_posts(self, count: int) -> None:
        """Wait until so many POSTs came."""
        self._wait(lambda books: books.posts >= count)

    def wait_fetches(self, count: int) -> None:
        """Wait until so many results were asked for."""
        self._wait(lambda books: sum(books.results_fetched.values()) >= count)

    def wait_in_flight(self, count: int) -> None:
        """Wait until so many POSTs are in flight, their bodies read."""
        self._wait(
            lambda books: (
                books.in_flight == count
                and sum(edit.posts for edit in books.edits.values())
                == books.posts - books.broken_off
            ),
        )

    def wait_idle(self) -> None:
        """Wait until nothing is in flight, whatever came of the POSTs before."""
        self._wait(lambda books: books.in_flight == 0)

    def wait_billed(self, count: int) -> None:
        """Wait until so many edits are billed."""
        self._wait(lambda books: books.billed >= count)

    def _wait(self, holds: Callable[[Books], bool]) -> None:
        """TimeoutError if it is in vain."""
        self.portal.call(partial(self.sandbox.until, holds, seconds=SECONDS))


@dataclass(slots=True)
class Started:
    """A command that runs; what it writes goes to files."""

    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def says(self, words: str) -> None:
        """Wait until it wrote these words to stderr."""

        def said() -> bool:
            assert self.process.poll() is None or words in self._errors(), self._errors()
            return words in self._errors()

        until(said, f"{words!r} on stderr")

    def send(self, signal: int) -> None:
        """Send it a signal."""
        self.process.send_signal(signal)

    def kill(self) -> None:
        """End it at once, with no chance to say goodbye."""
        self.process.kill()
        self.process.wait(SECONDS)

    def wait(self, seconds: float = SECONDS) -> Ended:
        """Wait for its end."""
        status = self.process.wait(seconds)
        errors = self._errors()
        assert "Traceback" not in errors, errors
        return Ended(status, self.stdout.read_text(), errors)

    def _errors(self) -> str:
        return self.stderr.read_text()


@dataclass(slots=True)
class Desk:
    """A folder with pictures and a manifest, from which the command is called."""

    folder: Path
    house: House
    environment: dict[str, str]
    out: Path = field(init=False)
    wrapper: tuple[str, ...] = ()
    _started: list[Started] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.out = self.folder / "out"

    # ------------------------------------------------------------------ what is edited

    def picture(
        self,
        name: str,
        shade: int = 0,
        *,
        size: tuple[int, int] = (64, 48),
    ) -> Path:
        """Write a picture beside the manifest."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(shade, size))
        return path

    def rows(self, *rows: dict[str, Any], name: str = "job.jsonl") -> Path:
        """Write a manifest."""
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def items(self, count: int, *, shade: int = 0, stem: str = "p") -> list[dict[str, Any]]:
        """Write so many pictures; rows for them, each with an instruction of its own."""
        rows = []
        for number in range(count):
            name = f"{stem}{number:02}.png"
            self.picture(name, shade + number)
            rows.append({"image": name, "instruction": f"mirror {stem}{number:02}"})
        return rows

    # ------------------------------------------------------------------ the command

    def start(
        self,
        *arguments: object,
        command: str = "run",
        gateway: bool = True,
        out: bool = True,
        json_: bool = True,
        source: str = "job.jsonl",
        env: dict[str, str] | None = None,
    ) -> Started:
        """Start the command."""
        words = [*self.wrapper, sys.executable, "-m", "qwenbatch", command, source]
        words += ["--gateway", self.house.url] if gateway else []
        words += ["-o", str(self.out)] if out else []
        words += ["--json"] if json_ else []
        rated = any(str(argument) == "--rate" for argument in arguments)
        words += ["--rate", "200"] if command == "run" and not rated else []
        words += [str(argument) for argument in arguments]
        number = len(self._started)
        stdout, stderr = self.folder / f"stdout.{number}", self.folder / f"stderr.{number}"
        with stdout.open("wb") as written, stderr.open("wb") as errors:
            process = subprocess.Popen(
                words,
                cwd=self.folder,
                env=self.environment if env is None else env,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=errors,
            )
        started = Started(process, stdout, stderr)
        self._started.append(started)
        return started

    def run(
        self,
        *arguments: object,
        gateway: bool = True,
        out: bool = True,
        source: str = "job.jsonl",
        env: dict[str, str] | None = None,
    ) -> Ended:
        """Run to the end."""
        return self.start(*arguments, gateway=gateway, out=out, source=source, env=env).wait()

    def check(self, *arguments: object, env: dict[str, str] | None = None) -> Ended:
        """`qwenbatch check` to the end."""
        return self.start(*arguments, command="check", env=env).wait()

    def end_all(self) -> None:
        """End whatever still runs."""
        for started in self._started:
            if started.process.poll() is None:
                started.kill()

    # ------------------------------------------------------------------ what came of it

    @staticmethod
    def prices(edits: int) -> float:
        """The price of so many edits, as the JSON object states money."""
        return edits * 55_000 / 1_000_000

    def results(self) -> set[str]:
        """Every file in OUT that is not the program's own."""
        files = (path for path in self.out.rglob("*") if path.is_file())
        relative = {path.relative_to(self.out).as_posix() for path in files}
        return {path for path in relative if not path.startswith(".qwenbatch/")}

    def result(self, name: str) -> bytes:
        """A result's bytes; it must be a whole picture."""
        data = (self.out / name).read_bytes()
        with Image.open(BytesIO(data)) as image:
            image.load()
        return data

    def replaced(self) -> list[Path]:
        """What was moved to `replaced/`."""
        return sorted((self.out / ".qwenbatch" / "replaced").glob("*"))

    def left_over(self) -> list[Path]:
        """Temporary files."""
        return sorted((self.out / ".qwenbatch" / "tmp").iterdir())


@contextmanager
def open_house(**settings: Any) -> Iterator[House]:
    """A sandbox on a port of its own."""
    with start_blocking_portal() as portal:
        sandbox = Sandbox(SandboxSettings(key=KEY, **settings))
        with portal.wrap_async_context_manager(sandbox):
            yield House(sandbox, portal)


@contextmanager
def open_desk(folder: Path, house: House) -> Iterator[Desk]:
    """A folder to work from."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "QWENBATCH_API_KEY": KEY,
    }
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    desk = Desk(folder, house, environment)
    try:
        yield desk
    finally:
        desk.end_all()


@pytest.fixture
def house() -> Iterator[House]:
    with open_house() as house:
        yield house


@pytest.fixture
def slow_house() -> Iterator[House]:
    """A sandbox whose edits take so long that a test ends sooner."""
    with open_house(latency=(60.0, 60.0)) as house:
        yield house


@pytest.fixture
def desk(house: House, tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path, house) as desk:
        yield desk


@pytest.fixture
def slow_desk(slow_house: House, tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path, slow_house) as desk:
        yield desk


@pytest.fixture
def desk_with(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Opens a desk at a sandbox with these settings."""
    with ExitStack() as stack:

        def build(**settings: Any) -> Desk:
            house = stack.enter_context(open_house(**settings))
            return stack.enter_context(open_desk(tmp_path, house))

        yield build


@dataclass(slots=True)
class Unfetched:
    """A run, started long before it is asked for, none of whose results can be fetched."""

    desk: Desk
    run: Started


@pytest.fixture(scope="session", autouse=True)
def unfetched(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Unfetched | None]:
    """Fetching is given up after about a minute: so it begins before all other tests.

    None unless a test wants it by the name `unfetched`.
    """
    names = {item.name for item in request.session.items}
    if not any("unfetched" in name for name in names):
        yield None
        return
    with open_house() as house, open_desk(tmp_path_factory.mktemp("unfetched"), house) as desk:
        for _ in range(3):
            house.fail("result_missing", times=6)
        desk.rows(*desk.items(5))
        yield Unfetched(desk, desk.start("--concurrency", 1))
