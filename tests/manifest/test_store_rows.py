"""Folders in stores as rows, over a listing as the store gives it."""

from __future__ import annotations

import pytest

from qwenbatch.core.items import ObjectSource, Row, RowDefaults
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.errors import ManifestError
from qwenbatch.manifest.store_rows import StoreFolder
from qwenbatch.manifest.stored import open_folder

SHOP = StoreUrl("s3", "bucket", "shop")
RED = RowDefaults(instruction="red")


class Listing:
    """Keys below SHOP, and how often it was asked whether something lies below a folder."""

    def __init__(self, *keys: str) -> None:
        self.keys = sorted(keys, key=str.encode)
        self.asked: list[str] = []
        self.folder = StoreFolder(SHOP, lambda: self.keys, self.holds)

    def holds(self, inner: str) -> bool:
        self.asked.append(inner)
        return any(key.startswith(inner) for key in self.keys)

    def images(self, out: StoreUrl | None = None) -> list[str]:
        return [row.image for row in open_folder(self.folder, defaults=RED, out=out, limit=None)]


def test_store_rows_are_its_pictures_in_its_order() -> None:
    listing = Listing("b.png", "a.JPG", "sub/c.webp", "notes.txt", ".hidden.png", "x/.y/z.png")
    rows = list(open_folder(listing.folder, defaults=RED, out=None, limit=None))
    assert [row.image for row in rows] == ["a.JPG", "b.png", "sub/c.webp"]
    first = rows[0]
    assert isinstance(first, Row)
    assert first.source == ObjectSource("s3://bucket/shop/a.JPG")
    assert (first.number, first.mirror, first.instruction) == (1, "a.JPG", "red")
    assert rows[2].number == 3


def test_store_rows_leave_out_out_and_other_runs_results() -> None:
    listing = Listing(
        "a.png",
        "old/.qwenbatch/ledger.json",
        "old/a.png",
        "old/deep/b.png",
        "odd/(1).png",
        "odd/-x/b.png",
        "odd/.qwenbatch/ledger.json",
        "fair/(1).png",
        "out/a.png",
        "z.png",
    )
    wanted = ["a.png", "fair/(1).png", "z.png"]
    assert listing.images(out=SHOP / "out") == wanted
    # Only where a name comes before ours in its folder is the store asked.
    assert listing.asked == [".qwenbatch/", "fair/.qwenbatch/", "odd/.qwenbatch/"]


def test_store_folder_is_refused_where_it_makes_no_sense() -> None:
    with pytest.raises(ManifestError, match="no instruction"):
        open_folder(Listing().folder, defaults=RowDefaults(), out=None, limit=None)
    with pytest.raises(ManifestError, match="lies inside"):
        open_folder(Listing().folder, defaults=RED, out=SHOP.parent, limit=None)
    with pytest.raises(ManifestError, match="results of another run"):
        open_folder(Listing(".qwenbatch/x").folder, defaults=RED, out=None, limit=None)


def test_store_folder_ends_at_its_limit() -> None:
    folder = Listing("a.png", "b.png", "c.png").folder
    assert len(list(open_folder(folder, defaults=RED, out=None, limit=2))) == 2
