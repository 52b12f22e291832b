"""Ray, as far as a fleet needs it: a cluster joined or started, actors by name, calls to them.

Nothing is ever retried by Ray on the paying path: actors are restarted at will, their tasks never.
Actors are detached: none dies with whoever started it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from qwenbatch.errors import QwenbatchError, UsageError
from qwenbatch.fleet.ports import KeeperLostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.fleet.messages import Exchange, Hello, Reply, Welcome

NAMESPACE = "qwenbatch"

_TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 - the name of a variable
"""The environment variable by which Ray is shown its token."""

_HEAD = "node:__internal_head__"
"""The resource by which Ray marks its head node."""

REACH = 10.0
"""Seconds in which a cluster's address must answer: Ray itself asks for minutes on end."""

CALL = 5.0
"""Seconds after which a keeper that does not answer is called lost."""

WORKERS_CPU = 0.1
"""The share of a CPU that Ray sets aside for a worker: it waits for answers most of the time."""


@contextmanager
def joined(address: str | None) -> Iterator[None]:
    """Be part of the cluster at an address, or of one of our own on this machine.

    Raises UsageError if there is none. Of one of our own nothing is left behind.
    """
    with ExitStack() as stack:
        own = stack.enter_context(_own_cluster()) if address is None else {}
        # Ray tells deaths on stdout, where nothing of its own belongs.
        nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        stack.enter_context(redirect_stdout(nowhere))
        # Also where it does not come up as a whole.
        stack.callback(_shut_down)
        try:
            if address is not None:
                _reach(address)
            ray.init(
                address=address or "local",
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=True,
                **own,
            )
        except (ConnectionError, RuntimeError, ValueError, OSError, RayError) as error:
            raise UsageError(
                f"the fleet at {address or 'this machine'} cannot be joined: {error}",
                "start one with `ray start --head`, with the same versions of Python and Ray; or"
                " leave --address out to try it on this machine",
            ) from error
        yield


@contextmanager
def _own_cluster() -> Iterator[dict[str, Any]]:
    """What a Ray of our own is started with: its files and its token go when it goes."""
    before = os.environ.get(_TOKEN)
    # Without one, Ray would leave a token of its own making in the user's home for good.
    os.environ[_TOKEN] = before or _own_token()
    # Ray's sockets lie in there, whose paths may be no longer than 107 bytes.
    parent = os.environ.get("RAY_TMPDIR", "/tmp")  # noqa: S108 - where Ray has its own
    try:
        with TemporaryDirectory(
            prefix="qwenbatch-", dir=parent, ignore_cleanup_errors=True
        ) as folder:
            yield {"include_dashboard": False, "_temp_dir": folder}
    finally:
        if before is None:
            del os.environ[_TOKEN]


@cache
def _own_token() -> str:
    """One for the whole process: Ray remembers the first that it was shown."""
    return secrets.token_hex(32)


def _reach(address: str) -> None:
    """Raises OSError if nothing answers at an address of the form HOST:PORT."""
    host, colon, port = address.rpartition(":")
    if colon and "/" not in host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), REACH).close()


def _shut_down() -> None:
    with suppress(Exception):
        ray.shutdown()


def head_node() -> str:
    """The id of Ray's head node, where the ledger's disk is."""
    for node in _nodes():
        if node["Alive"] and _HEAD in node["Resources"]:
            return str(node["NodeID"])
    raise UsageError("the fleet's Ray has no head node", "start it with `ray start --head`")


def _nodes() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call] # Ray tells no types
    return nodes


def own_address() -> str:
    """The address of this node at which the others reach it."""
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call] # Ray tells no types


def working_nodes() -> list[str]:
    """The ids of the living nodes that lend a CPU; `ray start --num-cpus=0` keeps one out."""
    return [
        str(node["NodeID"])
        for node in _nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) > 0
    ]


def start(kind: type, name: str, node: str, *arguments: Any, cpus: float = 0.0) -> Any:
    """The actor of this name, started on a node unless it is there already."""
    return (
        ray.remote(kind)
        .options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=cpus,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=1000,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        )
        .remote(*arguments)
    )


def find(name: str) -> Any:
    """The actor of this name, or None."""
    try:
        return ray.get_actor(name, NAMESPACE)
    except ValueError:
        return None


def this_actor() -> Any:
    """The actor that asks."""
    return ray.get_runtime_context().current_actor


def end(actor: Any) -> None:
    """End an actor for good."""
    with suppress(RayError, ValueError):
        ray.kill(actor, no_restart=True)


async def call(method: Any, *arguments: Any, seconds: float = CALL) -> Any:
    """Call an actor's method, once; KeeperLostError if it is not there or does not answer.

    What it sent may be lost with it too, where that was too long to come in one piece.
    """
    try:
        return await asyncio.wait_for(method.remote(*arguments), seconds)
    except RayTaskError:
        # It is there, and raised something itself.
        raise
    except (RayError, TimeoutError) as error:
        raise KeeperLostError(str(error)) from error


class Counter:
    """The keeper, as a worker reaches it: by its actor's handle, which outlives its restarts."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    async def hello(self, hello: Hello) -> Welcome:
        """Ask for a lease; the refusal of a worker that is not wanted."""
        welcome: Welcome | QwenbatchError | None = await call(
            self._keeper.hello, hello, seconds=12 * CALL
        )
        if welcome is None:
            raise KeeperLostError("the keeper is not ready")
        if isinstance(welcome, QwenbatchError):
            raise welcome
        return welcome

    async def exchange(self, exchange: Exchange) -> Reply:
        """Hand over what there is, and take what has come; waits a little for it."""
        reply: Reply | None = await call(self._keeper.exchange, exchange)
        if reply is None:
            raise KeeperLostError("the keeper is not ready")
        return reply
