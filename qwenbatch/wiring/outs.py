"""An OUT: a folder, or a place in an object store with a folder beside its ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qwenbatch.core.paths import OWN_FOLDER
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.ledger.location import (
    locate,
    locate_beside,
    locate_damaged,
    locate_damaged_beside,
)
from qwenbatch.results.folders import OutFolders
from qwenbatch.results.occupancy import Occupancy
from qwenbatch.stores.note import ObjectNote
from qwenbatch.stores.occupancy import StoreOccupancy
from qwenbatch.stores.shelf import StoreShelf
from qwenbatch.wiring.places import stores_here

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qwenbatch.core.offload import Offload
    from qwenbatch.ledger.location import Location
    from qwenbatch.results.occupancy import Records
    from qwenbatch.results.shelf import Shelf
    from qwenbatch.stores.bucket import Bucket
    from qwenbatch.stores.opening import Stores
    from qwenbatch.wiring.places import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """Where results go.

    `folders` are those of OUT itself; for an OUT in a store those of a folder beside the ledger,
    in which results are staged, and all else is kept that must be on a disk.
    """

    place: Place
    location: Location
    folders: OutFolders
    stores: Stores

    @property
    def scratch(self) -> Path | None:
        """Where temporary files may be; None before the first run: where the system has them."""
        return self.folders.scratch if self.folders.scratch.is_dir() else None

    @property
    def bucket(self) -> Bucket | None:
        """The bucket of an OUT in a store."""
        return self.stores.bucket(self.place) if isinstance(self.place, StoreUrl) else None

    def shelf(self, desk: Shelf, saw: Callable[[int], None]) -> Shelf | StoreShelf:
        """Where verified results are put: `desk` itself, or the store, from it."""
        if isinstance(self.place, StoreUrl):
            return StoreShelf(self.stores.bucket(self.place), self.place, desk, saw)
        return desk

    def occupancy(self, records: Records, offload: Offload) -> Occupancy | StoreOccupancy:
        """What looks at the items' paths; on a disk by `offload`."""
        if isinstance(self.place, StoreUrl):
            return StoreOccupancy(self.stores.bucket(self.place), self.place, records)
        return Occupancy(self.folders, records, offload=offload)


def out_at(place: Place, ledger: Path | None) -> Out:
    """An OUT, absolute, with its ledger; `ledger` is what `--ledger` says.

    Raises LedgerError, StoreError and UsageError.
    """
    stores = stores_here()
    if isinstance(place, StoreUrl):
        location = locate_beside(_note(stores, place), str(place), ledger)
        return _beside(place, location, stores)
    folders = OutFolders(place)
    return Out(place=place, location=locate(folders.own, ledger), folders=folders, stores=stores)


def damaged_out_at(place: Place, ledger: Path | None) -> Out:
    """As `out_at`, for a repair: the ledger may be missing."""
    stores = stores_here()
    if isinstance(place, StoreUrl):
        location = locate_damaged_beside(_note(stores, place), str(place), ledger)
        return _beside(place, location, stores)
    folders = OutFolders(place)
    location = locate_damaged(folders.own, ledger)
    return Out(place=place, location=location, folders=folders, stores=stores)


def _beside(place: StoreUrl, location: Location, stores: Stores) -> Out:
    folders = OutFolders(location.desk)
    return Out(place=place, location=location, folders=folders, stores=stores)


def _note(stores: Stores, place: StoreUrl) -> ObjectNote:
    return ObjectNote(stores.bucket(place), (place / f"{OWN_FOLDER}/ledger.json").key)
