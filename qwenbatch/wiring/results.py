"""What an audit looks at below an OUT, wherever that lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.core.provenance import MOST_SIDECAR_BYTES
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.errors import StoreError
from qwenbatch.results import audit as files
from qwenbatch.results.sidecars import read_sidecar
from qwenbatch.stores import audit as objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qwenbatch.core.audit import FindingKind
    from qwenbatch.core.placements import Placement
    from qwenbatch.wiring.outs import Out


def amiss(out: Out, placements: Sequence[Placement]) -> list[tuple[FindingKind, str] | None]:
    """What is amiss with saved results; None for those that are as they were put there."""
    if isinstance(out.place, StoreUrl):
        return objects.amiss(out.stores.bucket(out.place), out.place, placements)
    return [files.amiss(out.folders, placement) for placement in placements]


def foreign(out: Out, is_ours: Callable[[str], bool]) -> Iterator[str]:
    """What lies below OUT, relative to it, and is neither hidden nor ours."""
    if isinstance(out.place, StoreUrl):
        return objects.foreign(out.stores.bucket(out.place), out.place, is_ours)
    return files.foreign(out.folders, is_ours)


def sidecar_at(out: Out, relative: str) -> bytes | None:
    """What lies where a sidecar may lie; None if nothing does. What is none counts as empty."""
    if not isinstance(out.place, StoreUrl):
        return read_sidecar(out.folders.file(relative))
    try:
        key = (out.place / relative).key
        return out.stores.bucket(out.place).read_whole(key, most=MOST_SIDECAR_BYTES)
    except StoreError:
        return b""
