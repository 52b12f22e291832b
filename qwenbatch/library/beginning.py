"""Begins a run, over a manifest or over items that a program states."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from qwenbatch.cli.places import place
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.library.course import Course
from qwenbatch.library.listed import Listed
from qwenbatch.wiring.places import absolute

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterable, Iterable

    from qwenbatch.library.settings import Settings, StrPath
    from qwenbatch.manifest.item_rows import Item
    from qwenbatch.wiring.places import Place

ITEMS = "items"
"""The name by which a ledger remembers the items that a program states, unless told another."""


def begin(
    items: StrPath | Iterable[Item] | AsyncIterable[Item],
    name: str,
    settings: Settings,
    out: StrPath | Place,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Course:
    """Begin a run over a manifest or folder, named by its path, or over items under a name.

    `loop` is where asynchronous items are waited for. UsageError where a setting makes no sense.
    """
    folder = out if isinstance(out, StoreUrl) else absolute(place(os.fspath(out)))
    if isinstance(items, str | os.PathLike):
        return Course(settings.of_run(place(os.fspath(items)), folder), None)
    told = settings.of_run(Path(name), folder)
    return Course(told, Listed(items, told, loop=loop))
