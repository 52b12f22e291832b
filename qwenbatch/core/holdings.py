"""What the ledger holds of a row's path and edit."""

from __future__ import annotations

import msgspec

from qwenbatch.core.keys import EditKey
from qwenbatch.core.placements import FileStamp
from qwenbatch.core.plan import Standing


class Known(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A result that the ledger has, or had, at a path; `suffix` as in `Placement`."""

    key: EditKey
    digest: bytes
    suffix: str
    stamp: FileStamp | None


class Holding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A valid row's path, and what the ledger has on its edit and on whoever owns the path."""

    number: int
    key: EditKey
    path: str
    standing: Standing
    suffix: str
    owner: Known | None


class Claimed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A path as ledger and manifest have it at one moment.

    `by` is the edit to which this manifest gives the path, None if it is no row's; `items` is how
    many rows want the holding's own edit there.
    """

    holding: Holding
    by: EditKey | None
    items: int
