"""Where results go: default names, clashes, and outputs that cannot be had."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk


def test_default_names_that_clash_use_the_whole_source_name(desk: Desk) -> None:
    desk.picture("a.png", 1)
    (desk.folder / "a.jpg").write_bytes(desk.picture("b.png", 2).read_bytes())
    desk.rows(*({"image": f"a.{end}", "instruction": "mirror"} for end in ("png", "jpg")))

    ended = desk.run()

    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2})
    assert desk.results() == {"a.png.png", "a.jpg.png"}


def test_one_picture_with_two_instructions_is_named_by_its_keys(desk: Desk) -> None:
    desk.picture("a.png", 1)
    rows = [{"image": "a.png", "instruction": text} for text in ("mirror", "invert")]
    desk.rows(*rows)

    ended = desk.run()
    again = desk.run()

    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2})
    results = desk.results()
    assert len(results) == 2
    assert all(re.fullmatch(r"a\.png-[0-9a-f]{8}\.png", name) for name in results)
    assert again.items == {"total": 2, "saved": 2, "reused": 2}
    assert desk.house.posts() == 2


def test_a_key_that_holds_its_path_keeps_it_when_a_name_begins_to_clash(desk: Desk) -> None:
    desk.picture("a.png", 1)
    desk.rows({"image": "a.png", "instruction": "mirror"})
    desk.run()
    held = desk.result("a.png")
    desk.picture("a.jpg", 2)
    desk.rows(*({"image": f"a.{end}", "instruction": "mirror"} for end in ("jpg", "png")))

    ended = desk.run()

    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2, "reused": 1})
    assert desk.results() == {"a.png", "a.jpg.png"}
    assert desk.result("a.png") == held
    assert desk.house.posts() == 2


def test_different_keys_with_one_output_are_all_invalid_and_nothing_is_sent(desk: Desk) -> None:
    rows = desk.items(7)
    names = ("same.png", "same.png", "Case.png", "case.png", "x.png", "x.png/deep.png", "own.png")
    desk.rows(*({**row, "output": name} for row, name in zip(rows, names, strict=True)))

    ended = desk.run()

    assert (ended.status, ended.items) == (3, {"total": 7, "saved": 2, "invalid": 5})
    assert desk.house.billed() == {"mirror p05": 1, "mirror p06": 1}
    assert desk.results() == {"own.png", "x.png/deep.png"}
    assert "another row, of another edit, has the output same.png too" in ended.stderr


def test_outputs_that_differ_by_case_alone_clash_for_one_edit_too(desk: Desk) -> None:
    (row,) = desk.items(1)
    desk.rows({**row, "output": "Case.png"}, {**row, "output": "case.png"})

    ended = desk.run()

    assert (ended.status, ended.items) == (3, {"total": 2, "invalid": 2})
    assert desk.house.posts() == 0


def test_an_output_wins_over_a_default_name(desk: Desk) -> None:
    desk.picture("a.png", 1)
    desk.picture("b.png", 2)
    desk.rows(
        {"image": "a.png", "instruction": "mirror"},
        {"image": "b.png", "instruction": "mirror", "output": "a.png"},
    )

    ended = desk.run()

    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2})
    assert desk.results() == {"a.png", "a.png.png"}


def test_outputs_that_leave_out_are_invalid_and_the_others_go_on(desk: Desk) -> None:
    outputs = (
        "../escaped.png",
        "deep/../../escaped.png",
        str(desk.folder / "escaped.png"),
        "C:/escaped.png",
        "\\\\host\\share\\escaped.png",
        ".qwenbatch/ledger.png",
        "escaped.jpg",
        "deep/",
        "con.png",
    )
    rows = desk.items(len(outputs) + 1)
    desk.rows(
        *({**row, "output": name} for row, name in zip(rows[1:], outputs, strict=True)), rows[0]
    )

    ended = desk.run()

    assert (ended.status, ended.items) == (
        3,
        {"total": len(outputs) + 1, "saved": 1, "invalid": len(outputs)},
    )
    assert desk.house.billed() == {"mirror p00": 1}
    assert desk.results() == {"p00.png"}
    assert not list(desk.folder.glob("escaped*"))


def test_outputs_behind_symbolic_links_are_invalid_overwrite_or_not(desk: Desk) -> None:
    elsewhere = desk.folder / "elsewhere"
    elsewhere.mkdir()
    desk.out.mkdir()
    (desk.out / "sub").symlink_to(elsewhere)
    (desk.out / "link.png").symlink_to(elsewhere / "target.png")
    rows = desk.items(3)
    names = ("sub/a.png", "link.png", "real.png")
    desk.rows(*({**row, "output": name} for row, name in zip(rows, names, strict=True)))

    ended = desk.run()
    again = desk.run("--overwrite")

    assert (ended.status, ended.items) == (3, {"total": 3, "saved": 1, "invalid": 2})
    assert (again.status, again.items) == (3, {"total": 3, "saved": 1, "reused": 1, "invalid": 2})
    assert list(elsewhere.iterdir()) == []
    assert desk.house.billed() == {"mirror p02": 1}


def test_a_name_template_names_results(desk: Desk) -> None:
    (row,) = desk.items(1)
    desk.rows({**row, "id": "shoe 7", "take": 2}, {**row, "id": "shoe 7"})

    ended = desk.run("--name", "{id}/{stem}-{take}")

    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2})
    assert desk.results() == {"shoe 7/p00-1.png", "shoe 7/p00-2.png"}
