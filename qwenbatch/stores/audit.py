"""A store's side of an audit, blocking: results as they lie there, objects not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from qwenbatch.core.audit import FindingKind
from qwenbatch.stores.crowd import each
from qwenbatch.stores.looking import look_at
from qwenbatch.stores.shelf import has_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qwenbatch.core.placements import Placement
    from qwenbatch.core.store_url import StoreUrl
    from qwenbatch.stores.bucket import Bucket

_READ_AT_ONCE = 32


def amiss(
    bucket: Bucket, out: StoreUrl, placements: Sequence[Placement]
) -> list[tuple[FindingKind, str] | None]:
    """What is amiss with saved results, and in words; None for those that are as they were put.

    An object with the recorded stamp is not read; another is, and told by its digest. Raises
    StoreError.
    """
    return anyio.run(_amiss, bucket, out, placements)


async def _amiss(
    bucket: Bucket, out: StoreUrl, placements: Sequence[Placement]
) -> list[tuple[FindingKind, str] | None]:
    keys = [(out / placement.file).key for placement in placements]
    sights = await look_at(bucket, keys)
    found: dict[int, tuple[FindingKind, str] | None] = {}
    unknown: list[int] = []
    for number, (placement, key) in enumerate(zip(placements, keys, strict=True)):
        sight = sights.get(key)
        if sight is None:
            found[number] = FindingKind.MISSING, "it is gone"
        elif has_stamp(sight, placement.stamp):
            found[number] = None
        else:
            unknown.append(number)

    async def read(number: int) -> None:
        digest = placements[number].digest
        same = digest is not None and await bucket.digest(keys[number]) == digest
        altered = FindingKind.ALTERED, "its content is not what was put there"
        found[number] = None if same else altered

    await each(unknown, read, at_once=_READ_AT_ONCE)
    return [found[number] for number in range(len(placements))]


def foreign(bucket: Bucket, out: StoreUrl, is_ours: Callable[[str], bool]) -> Iterator[str]:
    """Objects below OUT, relative to it, that are neither hidden nor ours."""
    skipped = len(out.key) + 1 if out.key else 0
    for page in bucket.walk(out.key):
        for key, _ in page:
            path = key[skipped:]
            if not path.startswith(".") and "/." not in path and not is_ours(path):
                yield path
