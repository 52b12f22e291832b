"""Runs the command, and kills it (SIGKILL, by itself) at one step of one edit's life.

    python dying.py STEP before|after NUMBER run …

The step is a function of the program; it is the NUMBERth call of it that dies, before it does
anything or after it did all. Nothing of the program is replaced but that one moment.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = {
    "permit": "qwenbatch.ledger.ledger:Ledger.permit",
    "post": "qwenbatch.gateway.client:GatewayClient.post",
    "first byte": "qwenbatch.gateway.body:RequestBody._next",
    "last look at the source": "qwenbatch.imaging.transit:Cargo.unchanged",
    "answer read": "qwenbatch.gateway.client:GatewayClient._reply",
    "end": "qwenbatch.ledger.ledger:Ledger.end",
    "paid edit": "qwenbatch.ledger.ledger:Ledger.paid_edit",
    "download": "qwenbatch.results.stage:Stage.write",
    "verify and flush": "qwenbatch.results.stage:Stage.finish",
    "prepare": "qwenbatch.ledger.ledger:Ledger.prepare",
    "rename": "qwenbatch.results.shelf:link",
    "move away": "qwenbatch.results.shelf:Shelf._move_away",
    "folder flush": "qwenbatch.results.shelf:flush_folder",
    "sidecar": "qwenbatch.results.sidecars:write_sidecar",
    "put": "qwenbatch.results.shelf:Shelf._put",
    "save": "qwenbatch.ledger.ledger:Ledger.save",
    "close": "qwenbatch.ledger.runs:close",
    "recover": "qwenbatch.ledger.edits:recover",
    "settle": "qwenbatch.ledger.settling:settle",
}

PICTURE_STEPS = {
    "picture piece": "qwenbatch.results.kept_pictures:Page.write",
    "keep picture": "qwenbatch.results.kept_pictures:Page._keep",
    "forget picture": "qwenbatch.results.kept_pictures:KeptPictures.forget",
}
"""Steps of an edit whose picture comes within its answer."""


def die() -> None:
    """As by a power cut: no handler, no flush, no goodbye."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(step: str, when: str, number: int) -> None:
    """Let the NUMBERth call of a step be the last thing that this process does."""
    module, _, path = (STEPS | PICTURE_STEPS)[step].partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def due() -> bool:
        nonlocal calls
        calls += 1
        return calls == number

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def later(*arguments: Any, **named: Any) -> Any:
            dying = due()
            if dying and when == "before":
                die()
            outcome = await original(*arguments, **named)
            if dying:
                die()
            return outcome

        setattr(owner, name, later)
        return

    @functools.wraps(original)
    def now(*arguments: Any, **named: Any) -> Any:
        dying = due()
        if dying and when == "before":
            die()
        outcome = original(*arguments, **named)
        if dying:
            die()
        return outcome

    setattr(owner, name, now)


if __name__ == "__main__":
    arm(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    from qwenbatch.cli.app import command

    sys.exit(command(sys.argv[4:]))
