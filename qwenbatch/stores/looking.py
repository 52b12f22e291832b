"""Looks at many objects at once: by the store's own lists where they lie close, else one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.stores.crowd import each
from qwenbatch.stores.failures import UnlistableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qwenbatch.stores.bucket import Bucket
    from qwenbatch.stores.sight import Sight

_PAGES = 4
"""Pages of a list that are read for one page of keys; the rest of these is asked for singly."""

_FEW = 8
"""So few keys are asked for singly at once."""


async def look_at(bucket: Bucket, keys: Iterable[str]) -> dict[str, Sight]:
    """Those of these objects that are there, as they are.

    Keys that follow each other in the store, as those of a folder's pictures do, cost a request
    for a thousand. Raises StoreError.
    """
    wanted = sorted(set(keys), key=str.encode)
    found: dict[str, Sight] = {}
    if len(wanted) > _FEW and bucket.scheme != "az":  # Azure's lists cannot begin behind a key
        try:
            wanted = await _list(bucket, wanted, found)
        except UnlistableError:
            wanted = [key for key in wanted if key not in found]

    async def look(key: str) -> None:
        sight = await bucket.look(key)
        if sight is not None:
            found[key] = sight

    await each(wanted, look)
    return found


async def _list(bucket: Bucket, wanted: list[str], found: dict[str, Sight]) -> list[str]:
    """Look by lists, from the first key on; the keys that were not reached."""
    folder = _common_folder(wanted[0], wanted[-1])
    asked = set(wanted)
    last = wanted[-1].encode()
    pages = 0
    async for page in bucket.pages(folder, after=_just_before(wanted[0])):
        found.update((key, sight) for key, sight in page if key in asked)
        reached = page[-1][0].encode() if page else b""
        if reached >= last:
            return []
        pages += 1
        if pages == _PAGES:
            return [key for key in wanted if key.encode() > reached]
    return []


def _common_folder(first: str, last: str) -> str:
    """The deepest folder that holds both, without `/` at its end."""
    shared = []
    for one, other in zip(first.split("/")[:-1], last.split("/")[:-1], strict=False):
        if one != other:
            break
        shared.append(one)
    return "/".join(shared)


def _just_before(key: str) -> str:
    """A key that sorts before another with next to nothing between: lists begin behind a key."""
    head, end = key[:-1], key[-1]
    if end.isascii() and end.isalnum() and end != "0":  # before which comes the slash
        return f"{head}{chr(ord(end) - 1)}~"
    return head.rstrip(".")  # no folder's name may be left that is but dots
