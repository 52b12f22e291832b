"""A fleet on this one machine: Ray's own cluster of real nodes, and a sandbox that keeps books."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
import ray
from anyio.from_thread import BlockingPortal, start_blocking_portal
from PIL import Image
from ray.cluster_utils import Cluster

from qwenbatch.fleet import cluster as rays
from qwenbatch.ledger.location import locate
from qwenbatch.sandbox import Sandbox, SandboxSettings
from qwenbatch.wiring.fleet_worker import fleet_of
from tests.e2e.conftest import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = 60.0
"""The longest that anything in here is waited for."""

WORKERS = 2


def until(holds: Callable[[], Any], what: str, *, seconds: float = SECONDS) -> Any:
    """Wait until something is so, looking every 50 ms; what it is. Fails after `seconds`."""
    last = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < last, f"waited {seconds:g} s in vain for: {what}"
        time.sleep(0.05)
    return found


@dataclass(slots=True)
class Fleet:
    """A Ray cluster: a head node that lends no CPU, and two nodes with a worker each."""

    cluster: Cluster

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def head(self, out: Path) -> int:
        """The process of the actor that holds the ledger of an OUT."""
        return self._pid(_name(out))

    def workers(self, out: Path) -> list[int]:
        """The processes of its workers."""
        found = (rays.find(f"{_name(out)}-{node}") for node in rays.working_nodes())
        return [int(ray.get(worker.pid.remote(), timeout=SECONDS)) for worker in found if worker]

    def is_over(self, out: Path) -> bool:
        """Whether none of its actors is left."""
        return rays.find(_name(out)) is None

    def _pid(self, name: str) -> int:
        actor = until(lambda: rays.find(name), f"the actor {name}")
        return int(ray.get(actor.pid.remote(), timeout=SECONDS))


def _name(out: Path) -> str:
    return fleet_of(locate(out / ".qwenbatch", None).file)


@dataclass(slots=True)
class Yard:
    """A folder with pictures and a manifest, a sandbox, and drivers that are started from it."""

    folder: Path
    sandbox: Sandbox
    portal: BlockingPortal
    address: str
    gateway: str
    wrapper: tuple[str, ...] = ()
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def items(self, count: int) -> None:
        """A manifest of so many items, each with a picture and an instruction of its own."""
        rows = []
        for number in range(count):
            file = BytesIO()
            Image.new("RGB", (64, 48), (number % 256, number // 256, 90)).save(file, "PNG")
            (self.folder / f"p{number:03}.png").write_bytes(file.getvalue())
            rows.append({"image": f"p{number:03}.png", "instruction": f"mirror {number:03}"})
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / "job.jsonl").write_text(text)

    def start(self, *arguments: object) -> subprocess.Popen[bytes]:
        """Start a driver."""
        words = [*self.wrapper, sys.executable, "-m", "qwenbatch", "run", "job.jsonl", "--json"]
        words += ["-o", str(self.out), "--engine", "ray", "--address", self.address]
        words += ["--gateway", self.gateway, *map(str, arguments)]
        number = len(self._started)
        with (
            (self.folder / f"stdout.{number}").open("wb") as written,
            (self.folder / f"stderr.{number}").open("wb") as errors,
        ):
            started = subprocess.Popen(
                words,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=errors,
            )
        self._started.append(started)
        return started

    def wait(self, driver: subprocess.Popen[bytes], seconds: float = 2 * SECONDS) -> Ended:
        """Wait for a driver's end."""
        number = self._started.index(driver)
        try:
            status = driver.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(self._said("stderr", number)) from None
        errors = self._said("stderr", number)
        assert "Traceback" not in errors, errors
        return Ended(status, self._said("stdout", number), errors)

    def says(self, driver: subprocess.Popen[bytes], words: str) -> None:
        """Wait until a driver wrote these words to stderr."""
        number = self._started.index(driver)
        until(lambda: words in self._said("stderr", number), f"{words!r} on stderr")

    def wait_billed(self, count: int) -> None:
        """Wait until so many edits are billed."""
        until(lambda: self.sandbox.books.billed >= count, f"{count} billed edits")

    def wait_landed(self) -> None:
        """Wait until the gateway has nothing in flight."""
        until(lambda: self.sandbox.books.in_flight == 0, "nothing in flight")

    def bills(self) -> set[int]:
        """How often edits were billed that were billed at all."""
        return {edit.billed for edit in self.sandbox.books.edits.values() if edit.billed}

    def posts(self) -> int:
        """How many POSTs came."""
        return self.sandbox.books.posts

    def end_all(self) -> None:
        """End whatever still runs, and its fleet."""
        for started in self._started:
            if started.poll() is None:
                started.kill()
                started.wait()
        for name in (_name(self.out), *(f"{_name(self.out)}-{n}" for n in rays.working_nodes())):
            if (actor := rays.find(name)) is not None:
                rays.end(actor)

    def _said(self, stream: str, number: int) -> str:
        return (self.folder / f"{stream}.{number}").read_text()


def kill(pid: int) -> None:
    """End a process at once, with no chance to say goodbye."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Nodes take seconds to come up: they are shared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QWENBATCH_API_KEY", "sandbox")
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        started = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False},
        )
        try:
            for _ in range(WORKERS):
                started.add_node(num_cpus=1)
            with rays.joined(str(started.address)):
                yield Fleet(started)
        finally:
            started.shutdown()  # type: ignore[no-untyped-call] # Ray tells no types


@contextmanager
def open_yard(
    folder: Path, address: str, *, host: str = "127.0.0.1", **settings: Any
) -> Iterator[Yard]:
    """A sandbox, and a folder from which drivers are started."""
    with start_blocking_portal() as portal:
        sandbox = Sandbox(SandboxSettings(host=host, **settings))
        with portal.wrap_async_context_manager(sandbox):
            yard = Yard(folder, sandbox, portal, address, sandbox.url)
            try:
                yield yard
            finally:
                yard.end_all()


@pytest.fixture
def yard_with(fleet: Fleet, tmp_path: Path) -> Iterator[Callable[..., Yard]]:
    """Opens a yard whose sandbox has these settings."""
    with ExitStack() as stack:

        def build(**settings: Any) -> Yard:
            return stack.enter_context(open_yard(tmp_path, fleet.address, **settings))

        yield build
