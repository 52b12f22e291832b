"""A worker that reaches the gateway but not the keeper: it pays for nothing new, and loses nothing.

Needs the right to make network namespaces; where there is none, it says so.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import getproxies_environment

import pytest

from qwenbatch.fleet import cluster as rays
from tests.fleet.conftest import SECONDS, Yard, open_yard, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

NAMESPACE = "qwenbatch-test"
KEEPER, GATEWAY = "10.97.1", "10.97.2"
"""The networks by which the worker reaches the keeper, and the gateway."""

PORT = 6399
ITEMS = 30


def test_worker_cut_off_from_the_keeper_pays_nothing_new_and_hands_in_its_reports(
    partitioned: Yard,
) -> None:
    yard = partitioned
    yard.items(ITEMS)
    driver = yard.start("--rate", 5, "--concurrency", 8, "--log-format", "json")
    yard.wait_billed(5)
    _link("down")
    time.sleep(1.0)  # what was let go before has reached the gateway by now
    posts = yard.posts()
    yard.wait_landed()
    until(lambda: "its worker was not heard of" in _log(yard), "the end of the lease")
    assert yard.posts() == posts, "a worker without a keeper paid for something new"
    _link("up")
    items = yard.wait(driver).items
    # What was permitted but not told when the link broke is uncertain, though it was never sent.
    assert set(items) <= {"total", "saved", "uncertain"}
    assert items["saved"] == yard.sandbox.books.billed == yard.posts(), "every report came home"
    assert items["saved"] + items.get("uncertain", 0) == ITEMS
    assert yard.bills() == {1}


def _log(yard: Yard) -> str:
    return (yard.folder / "stderr.0").read_text()


@pytest.fixture
def partitioned(tmp_path: Path) -> Iterator[Yard]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("QWENBATCH_API_KEY", "sandbox")
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        for name in getproxies_environment():
            # These networks are ours alone.
            patch.delenv(f"{name}_proxy", raising=False)
            patch.delenv(f"{name}_proxy".upper(), raising=False)
        stack.enter_context(_networks())
        address = f"{KEEPER}.1:{PORT}"
        head = ("--head", f"--port={PORT}", f"--node-ip-address={KEEPER}.1", "--num-cpus=0")
        stack.enter_context(_node(tmp_path, *head, "--include-dashboard=false"))
        worker = (f"--address={address}", f"--node-ip-address={KEEPER}.2", "--num-cpus=1")
        stack.enter_context(_node(tmp_path, *worker, inside=True))
        stack.enter_context(rays.joined(address))
        until(rays.working_nodes, "the worker's node")
        yield stack.enter_context(
            open_yard(tmp_path, address, host=f"{GATEWAY}.1", latency=(2.0, 3.0))
        )


@contextmanager
def _networks() -> Iterator[None]:
    if _ip("netns", "add", NAMESPACE):
        pytest.skip("network namespaces cannot be made here: it takes root")
    try:
        for name, network in (("qbkeeper", KEEPER), ("qbgateway", GATEWAY)):
            assert not _ip("link", "add", f"{name}0", "type", "veth", "peer", "name", f"{name}1")
            assert not _ip("link", "set", f"{name}1", "netns", NAMESPACE)
            assert not _ip("addr", "add", f"{network}.1/24", "dev", f"{name}0")
            assert not _ip("link", "set", f"{name}0", "up")
            inside = ("-n", NAMESPACE)
            assert not _ip(*inside, "addr", "add", f"{network}.2/24", "dev", f"{name}1")
            assert not _ip(*inside, "link", "set", f"{name}1", "up")
        assert not _ip("-n", NAMESPACE, "link", "set", "lo", "up")
        yield
    finally:
        _ip("link", "del", "qbkeeper0")
        _ip("link", "del", "qbgateway0")
        _ip("netns", "del", NAMESPACE)


def _link(state: str) -> None:
    """The way between keeper and worker; that to the gateway stays."""
    assert not _ip("link", "set", "qbkeeper0", state)


def _ip(*words: str) -> int:
    return subprocess.run(("ip", *words), check=False, capture_output=True).returncode


@contextmanager
def _node(folder: Path, *words: str, inside: bool = False) -> Iterator[None]:
    """A node of Ray, as `ray start` makes it."""
    command = [str(Path(sys.executable).with_name("ray")), "start", "--block", *words]
    wrapper = ["ip", "netns", "exec", NAMESPACE] if inside else []
    with (folder / f"ray-{inside}.log").open("wb") as log:
        node = subprocess.Popen(
            [*wrapper, *command], stdout=log, stderr=log, start_new_session=True
        )
    try:
        told = folder / f"ray-{inside}.log"

        def started() -> bool:
            assert node.poll() is None, told.read_text()
            return b"Ray runtime started" in told.read_bytes()

        until(started, "a node of Ray")
        yield
    finally:
        node.terminate()
        try:
            node.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(node.pid, signal.SIGKILL)
