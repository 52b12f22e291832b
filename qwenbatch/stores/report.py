"""A report's files on their way into a store, blocking: its pictures first, its page last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from qwenbatch.core.report_files import PAGE, PICTURES, is_copy_name
from qwenbatch.stores.crowd import each

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from qwenbatch.core.store_url import StoreUrl
    from qwenbatch.stores.bucket import Bucket

_PUT_AT_ONCE = 16


def put_report(bucket: Bucket, out: StoreUrl, folder: Path, pictures: AbstractSet[str]) -> None:
    """Put a report that was made in a folder into OUT; pictures that lie there are not put again.

    `pictures` are the names of those that it shows; others of an earlier report are removed.
    Raises StoreError, and OSError where the folder cannot be read.
    """
    anyio.run(_put, bucket, out, folder, pictures)


async def _put(bucket: Bucket, out: StoreUrl, folder: Path, pictures: AbstractSet[str]) -> None:
    beside = out / PICTURES
    there: dict[str, int] = {}
    async for listed in bucket.pages(beside.key, after=""):
        there.update((key.rpartition("/")[2], sight.size) for key, sight in listed)

    async def put(name: str) -> None:
        content = await anyio.to_thread.run_sync((folder / PICTURES / name).read_bytes)
        if there.get(name) != len(content):
            await bucket.overwrite((beside / name).key, content)

    async def drop(name: str) -> None:
        await bucket.delete((beside / name).key)

    await each(sorted(pictures), put, at_once=_PUT_AT_ONCE)
    page = await anyio.to_thread.run_sync((folder / PAGE).read_bytes)
    await bucket.overwrite((out / PAGE).key, page)
    left = [name for name in there if is_copy_name(name) and name not in pictures]
    await each(left, drop, at_once=_PUT_AT_ONCE)
