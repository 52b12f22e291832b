"""Edit pictures by the thousand through a paid image-edit service.

    async with qwenbatch.open("out/shop", qwenbatch.Settings(max_cost="25")) as batch:
        async for outcome in batch.run([qwenbatch.Item("a.jpg", "remove the background")]):
            print(outcome.image, outcome.state, outcome.result)

    summary = qwenbatch.run("shop.csv", out="out/shop", on_outcome=print)

It is the engine of the command line: the same ledger, caps and promises. The library prints
nothing, asks nobody and heeds no signal. While a run goes on, do not fork: the child would hold
the ledger's lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwenbatch.core.money import dollars
    from qwenbatch.core.outcomes import ItemState, Outcome
    from qwenbatch.core.stops import ExitStatus, StopReason
    from qwenbatch.core.summary import Summary
    from qwenbatch.errors import (
        DiskError,
        LedgerBusyError,
        LedgerError,
        ManifestError,
        QwenbatchError,
        UsageError,
    )
    from qwenbatch.library.blocking import run
    from qwenbatch.library.opened import Batch, open  # noqa: A004 - it is used as qwenbatch.open
    from qwenbatch.library.settings import Settings
    from qwenbatch.manifest.item_rows import Item

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "DiskError",
    "ExitStatus",
    "Item",
    "ItemState",
    "LedgerBusyError",
    "LedgerError",
    "ManifestError",
    "Outcome",
    "QwenbatchError",
    "Settings",
    "StopReason",
    "Summary",
    "UsageError",
    "dollars",
    "open",
    "run",
]

_HOMES = {
    "Batch": "library.opened",
    "DiskError": "errors",
    "ExitStatus": "core.stops",
    "Item": "manifest.item_rows",
    "ItemState": "core.outcomes",
    "LedgerBusyError": "errors",
    "LedgerError": "errors",
    "ManifestError": "errors",
    "Outcome": "core.outcomes",
    "QwenbatchError": "errors",
    "Settings": "library.settings",
    "StopReason": "core.stops",
    "Summary": "core.summary",
    "UsageError": "errors",
    "dollars": "core.money",
    "open": "library.opened",
    "run": "library.blocking",
}
"""Where each name is from: it is loaded when first asked for, so that commands start quickly."""


if not TYPE_CHECKING:  # a checker is to see the names above, and no others

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib  # noqa: PLC0415 - as late as may be

        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
