"""Small reads or puts as a run makes them: `python -m … read|put COUNT`; it prints seconds."""

from __future__ import annotations

import os
import sys
from time import perf_counter

import anyio

from qwenbatch.core.store_url import StoreUrl
from qwenbatch.stores.crowd import each
from qwenbatch.stores.opening import Stores
from tests.benchmarks.cheap_store import OBJECT

AT_ONCE = 32


async def main(what: str, count: int) -> float:
    """Do it, and say how long it took."""
    bucket = Stores(os.environ).bucket(StoreUrl("s3", "bucket", ""))

    async def read(number: int) -> None:
        await bucket.digest(f"{number}.png")

    async def put(number: int) -> None:
        await bucket.create(f"{number}.png", OBJECT)

    await each(range(AT_ONCE), read, at_once=AT_ONCE)
    began = perf_counter()
    await each(range(count), read if what == "read" else put, at_once=AT_ONCE)
    return perf_counter() - began


if __name__ == "__main__":
    print(anyio.run(main, sys.argv[1], int(sys.argv[2])), flush=True)  # noqa: T201 - its answer
    os._exit(0)  # as the command does: see `qwenbatch.__main__`
