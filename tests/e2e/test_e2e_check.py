"""A check foresees the run, takes no lock, needs no key, and writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Desk, Ended


def tree(folder: Path) -> dict[str, tuple[int, bytes] | None]:
    """Every file, with its moment and content, and every folder."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes()) if path.is_file() else None
        for path in folder.rglob("*")
        if not path.name.startswith(("stdout.", "stderr."))
    }


def checked(desk: Desk, *arguments: object) -> Ended:
    """A check without a key, that must leave everything as it was."""
    environment = {**desk.environment}
    del environment["QWENBATCH_API_KEY"]
    before = tree(desk.folder)
    ended = desk.check(*arguments, env=environment)
    assert tree(desk.folder) == before
    return ended


def test_a_check_foresees_a_first_run_without_out(desk: Desk) -> None:
    rows = desk.items(3)
    desk.rows(*rows, {**rows[0], "output": "other.png"}, {"image": "none.png", "instruction": "x"})

    ended = checked(desk)

    assert not desk.out.exists()
    assert (ended.status, ended.items) == (3, {"total": 5, "pending": 4, "invalid": 1})
    assert ended.told["estimate"] == {"edits": 3, "cost": desk.prices(3), "left": None}
    assert ended.edits == (0, 0)

    run = desk.run()

    assert (run.status, run.items) == (3, {"total": 5, "saved": 4, "invalid": 1})
    assert run.edits == (3, 3)


def test_a_check_foresees_the_exit_status_of_every_further_run(desk: Desk) -> None:
    rows = desk.items(4)
    desk.rows(*rows)
    desk.house.fail("gave_up", match="p01")
    desk.house.fail("moderated", match="p02")
    first = desk.run("--limit", 3)
    assert first.status == 4

    held = checked(desk, "--limit", 3)
    rest = checked(desk)
    capped = checked(desk, "--max-cost", 0.05)
    asked = checked(desk, "--resend-uncertain", "--retry-failed", "--budget", "0.275/month")

    assert (held.status, held.items) == (
        4,
        {"total": 3, "saved": 1, "reused": 1, "uncertain": 1, "failed": 1},
    )
    assert held.told["failures"] == {"gave_up": 1, "moderated": 1}
    assert held.told["estimate"] == {"edits": 0, "cost": 0.0, "left": None}
    assert held.cost["exposure"] == desk.prices(1)
    assert (rest.status, rest.told["estimate"]["edits"]) == (4, 1)
    assert rest.items["pending"] == 1
    assert (capped.status, capped.told["estimate"]["left"]) == (5, 0.05)
    assert (asked.status, asked.told["estimate"]) == (
        0,
        {"edits": 3, "cost": desk.prices(3), "left": desk.prices(3)},
    )
    assert desk.house.posts() == 3


def test_a_check_sees_what_lies_at_the_paths(desk: Desk) -> None:
    desk.rows(*desk.items(3))
    desk.run()
    (desk.out / "p00.png").write_bytes(b"my own work")
    (desk.out / "p01.png").unlink()

    ended = checked(desk)
    forced = checked(desk, "--overwrite")

    assert (ended.status, ended.items["invalid"]) == (3, 1)
    assert (forced.status, forced.items.get("invalid", 0)) == (0, 0)
    assert ended.told["estimate"]["edits"] == forced.told["estimate"]["edits"] == 0
    run = desk.run("--overwrite")
    assert (run.status, run.items) == (0, {"total": 3, "saved": 3, "reused": 3})
    assert desk.house.posts() == 3


def test_dry_run_is_a_check(desk: Desk) -> None:
    desk.rows(*desk.items(2))

    ended = desk.run("--dry-run")

    assert (ended.status, ended.items) == (0, {"total": 2, "pending": 2})
    assert ended.told["estimate"]["edits"] == 2
    assert not desk.out.exists()
    assert desk.house.posts() == 0
