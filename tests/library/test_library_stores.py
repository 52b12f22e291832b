"""The library over object stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import qwenbatch
from tests.e2e.conftest import png

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.core.store_url import StoreUrl
    from tests.stores.s3 import S3


def test_library_takes_places_in_stores(tmp_path: Path, s3: S3, store: StoreUrl) -> None:
    for name in ("a", "b"):
        s3.put(store / f"in/{name}.png", png(ord(name)))
    s3.put(store / "in/rows.csv", b"image,instruction\nb.png,mirror\n")
    settings = qwenbatch.Settings(sandbox=True, ledger=tmp_path / "ledger.db", rate=100)
    out = str(store / "out")
    items = [qwenbatch.Item(str(store / "in/a.png"), "mirror")]
    seen: list[qwenbatch.Outcome] = []

    first = qwenbatch.run(items, out=out, settings=settings, on_outcome=seen.append)
    second = qwenbatch.run(str(store / "in/rows.csv"), out=out, settings=settings)

    assert (first.items.saved, second.items.saved) == (1, 1)
    assert [(outcome.image, outcome.result) for outcome in seen] == [
        (str(store / "in/a.png"), f"{out}/a.png")
    ]
    assert {key for key in s3.keys(store) if key.startswith("out/") and key.endswith("png")} == {
        "out/a.png",
        "out/b.png",
    }
