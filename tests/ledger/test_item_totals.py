from __future__ import annotations

from qwenbatch.core.placements import FileStamp, Preparation, Saved
from qwenbatch.ledger import auditing, database, placements
from tests.ledger.conftest import key_of, state_item


def test_item_totals_follow_a_result_that_another_overwrites() -> None:
    db = database.blank()
    db.execute("INSERT INTO manifests VALUES (1, '/m.csv')")
    for number in (1, 2):
        state_item(db, number, key_of(number), "a.png")
        db.execute("UPDATE edits SET state = 'edited' WHERE key = ?", (key_of(number),))
        placements.want_again(db, key_of(number), "a.png")
    for number in (1, 2):
        placements.prepare(
            db,
            Preparation(
                key=key_of(number),
                path="a.png",
                suffix="",
                replaced=None,
                digest=b"d" * 32,
                size=3,
            ),
        )
        placements.save(db, Saved(key=key_of(number), path="a.png", stamp=FileStamp(3, 4, 5)))
    told = dict(db.execute("SELECT placement, items FROM standings WHERE items"))
    assert told == {"": 1, "saved": 1}
    assert list(auditing.miscounts(db)) == []


def test_item_totals_that_are_wrong_are_found() -> None:
    db = database.blank()
    db.execute("INSERT INTO standings VALUES (0, '', '', '', 1)")
    (found,) = auditing.miscounts(db)
    assert "counts of items" in found.detail
