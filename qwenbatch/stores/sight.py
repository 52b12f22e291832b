"""An object as it is seen without being read."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Sight(msgspec.Struct, frozen=True, gc=False):
    """An object's size in bytes, its last change in ns, and what names its content in its store."""

    size: int
    mtime: int
    etag: str | None
    version: str | None

    @property
    def mark(self) -> int:
        """63 bits that tell this content from any other at the place, where files have inodes.

        They are the etag's SHA-256; of a store that gives none, the version's and the last
        change's.
        """
        named = self.etag or f"{self.version} {self.mtime}"
        return int.from_bytes(sha256(named.encode()).digest()[:8]) >> 1


def sight_of(meta: Mapping[str, Any]) -> Sight:
    """What obstore says of an object; stores tell the second of a change, lists at times more."""
    return Sight(
        size=meta["size"],
        mtime=int(meta["last_modified"].timestamp()) * 10**9,
        etag=meta["e_tag"],
        version=meta["version"],
    )
