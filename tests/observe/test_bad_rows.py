from __future__ import annotations

from qwenbatch.core.events import Planning, ResultSaved, RowRefused, RowWarned
from qwenbatch.observe.bad_rows import MOST_IN_FULL, BadRows


def test_bad_rows_are_told_in_full_up_to_a_bound_then_counted() -> None:
    bad = BadRows()
    told = [
        bad.tell(RowRefused(where=f"m.csv:{line}", image="a.jpg", reason="empty", advice="drop it"))
        for line in range(500)
    ]

    assert told[0] == "m.csv:0: a.jpg: not sent: empty (drop it)"
    assert [sentence is not None for sentence in told].count(True) == MOST_IN_FULL == 20
    assert bad.rest() == ["... and 480 more bad rows: see `qwenbatch check` or the log file"]
    assert bad.rest() == []


def test_bad_rows_count_warnings_apart() -> None:
    bad = BadRows()
    for _ in range(20):
        assert bad.tell(RowWarned(where="m.csv:1", image="a.jpg", warning="24 megapixels"))

    assert bad.tell(RowWarned(where="m.csv:1", image="a.jpg", warning="more")) is None
    assert bad.tell(RowRefused(where="m.csv:2", image="", reason="no image", advice="")) == (
        "m.csv:2: not sent: no image"
    )
    assert bad.rest() == ["... and 1 more note: see `qwenbatch check` or the log file"]


def test_bad_rows_tell_of_a_doubtful_result_and_of_nothing_else() -> None:
    bad = BadRows()
    good = ResultSaved(key="k", path="a.png", items=1, reused=False, warning="")
    odd = ResultSaved(key="k", path="b.png", items=1, reused=False, warning="64 x 64, not 1024")

    assert bad.tell(good) is None
    assert bad.tell(Planning(rows=1)) is None
    assert bad.tell(odd) == "b.png: note: 64 x 64, not 1024"


def test_bad_rows_hold_hostile_text_harmless() -> None:
    told = BadRows().tell(
        RowRefused(
            where="m.csv:3",
            image="https://h/a.png?sig=SECRET\x1b[2J",
            reason="line one\nline two",
            advice="",
        ),
    )

    assert told == r"m.csv:3: https://h/a.png: not sent: line one\nline two"


def test_bad_rows_are_all_told_where_no_bound_is_set() -> None:
    bad = BadRows(most=None)
    row = RowRefused(where="m.csv:1", image="a.jpg", reason="empty", advice="")
    assert all(bad.tell(row) for _ in range(500))
    assert bad.rest() == []
