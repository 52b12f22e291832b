from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwenbatch.core.states import EditEvent
from qwenbatch.ledger import database, edits, frames
from tests.ledger.conftest import NOW, Book, ended, key_of, state_item

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

NAME = "3daccb10-0c4e-4d0a-9f55-1c6d0f0f7a11"

texts = st.lists(
    st.sampled_from(["/", "https://h/", "a", ".png", "?", "#", "é", NAME, NAME.upper(), "-"])
    | st.uuids().map(str),
    max_size=6,
).map("".join)


@pytest.fixture(scope="module")
def db() -> Iterator[apsw.Connection]:
    db = database.blank()
    db.execute("INSERT INTO manifests VALUES (1, '/m')")
    state_item(db, 1, key_of(1), "a.png")
    db.execute(
        "INSERT INTO attempts (edit, id, run, sent_at, price, state)"
        " VALUES (1, x'00', 1, 0, 0, 'paid')"
    )
    yield db
    db.close()


def told(db: apsw.Connection, framed: frames.Framed) -> tuple[str, str]:
    """A text that is kept, as a reader of items and of attempts has it."""
    db.execute("UPDATE items SET image_frame = ?, image = ?", framed)
    db.execute("UPDATE attempts SET url_frame = ?, url = ?", framed)
    (image,) = db.execute("SELECT image FROM items_whole")
    (url,) = db.execute("SELECT url FROM attempts_whole")
    return image[0], url[0]


@given(texts | st.text())
@example(f"/a/{NAME}")
@example(f"/{NAME}/{NAME}.png")
@example(f"/a/{NAME}?b/c")
@example("a/?/b")
@example("")
def test_a_kept_text_is_told_to_the_letter_and_found_again(db: apsw.Connection, text: str) -> None:
    text = text.replace("\0", "")
    framed = frames.keep(db, text)
    assert told(db, framed) == (text, text)
    assert frames.find_all(db, [text]) == [framed]


@given(st.text() | st.uuids().map(str) | st.uuids().map(lambda uuid: str(uuid).upper()))
@example("x" * 16)
def test_a_request_id_comes_back_to_the_letter(db: apsw.Connection, name: str) -> None:
    name = name.replace("\0", "")
    db.execute("UPDATE attempts SET request_id = ?", (frames.pack(name),))
    assert db.execute("SELECT request_id FROM attempts_whole").get == name


def test_texts_of_one_folder_share_a_frame_and_a_uuid_takes_16_bytes(db: apsw.Connection) -> None:
    framed = frames.keep_all(db, [f"https://h/f/{UUID(int=n)}.png" for n in range(9)])
    assert len({one.frame for one in framed}) == 1
    assert [one.filling for one in framed] == [UUID(int=n).bytes for n in range(9)]
    plain = frames.keep_all(db, ["/photos/a.jpg", "/photos/b.jpg"])
    assert [one.filling for one in plain] == ["a.jpg", "b.jpg"]
    assert plain[0].frame == plain[1].frame


def test_what_a_url_asks_for_is_in_no_frame(db: apsw.Connection) -> None:
    frames.keep_all(db, [f"https://h/f/a?secret=/{NAME}", f"https://h/f/{NAME}.png?secret=1"])
    assert not db.execute("SELECT count(*) FROM frames WHERE head || tail LIKE '%secret%'").get


def test_frames_have_a_bound_behind_which_texts_are_kept_whole() -> None:
    db = database.blank()
    shared = frames.keep(db, "/shared/a.jpg")
    db.execute("INSERT INTO frames VALUES (?, 'the', 'last')", (frames.MOST_FRAMES,))
    alone = frames.keep_all(db, ["/alone/a.jpg", f"/{NAME}/a.jpg"])
    assert alone == [(frames.UNFRAMED, "/alone/a.jpg"), (frames.UNFRAMED, f"/{NAME}/a.jpg")]
    assert frames.find_all(db, ["/alone/a.jpg", "/shared/a.jpg"]) == [alone[0], shared]


def test_an_end_that_is_rolled_back_leaves_no_frame(book: Book) -> None:
    book.permit(1, 1)
    book.db.execute("BEGIN")
    edits.end(book.db, ended(1, 1, EditEvent.ANSWERED), now=NOW)
    book.db.execute("ROLLBACK")
    assert book.db.execute("SELECT count(*) FROM frames").get == 1
    book.end(1, 1, EditEvent.ANSWERED)
    assert book.db.execute("SELECT url FROM attempts_whole").get == "https://r2.test/1.png"


def test_a_lost_frame_takes_texts_with_it_but_no_rows(book: Book) -> None:
    book.permit(1, 1)
    book.end(1, 1, EditEvent.ANSWERED)
    book.db.pragma("foreign_keys", value=False)
    book.db.execute("DELETE FROM frames")
    book.db.execute("INSERT INTO manifests VALUES (1, '/m')")
    state_item(book.db, 1, key_of(1), "1.png")
    found = book.db.execute("SELECT state, url FROM attempts_whole").fetchall()
    assert found == [("paid", None)]
    assert not book.db.execute("SELECT image FROM items_whole").get
