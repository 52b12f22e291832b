"""A result that makes room for another edit's is never lost, wherever a death comes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk

DRIVER = str(Path(__file__).with_name("dying.py"))


@pytest.mark.parametrize(
    ("step", "when", "reverted"),
    [("prepare", "after", False), ("prepare", "after", True), ("move away", "after", True)],
)
def test_a_death_while_results_change_places_fetches_nothing_again(
    desk: Desk,
    step: str,
    when: str,
    reverted: bool,  # noqa: FBT001 - pytest gives it
) -> None:
    (row,) = desk.items(1)
    desk.rows(row)
    desk.run()
    results = {row["instruction"]: desk.result("p00.png")}
    changed = {**row, "instruction": "invert"}
    if reverted:
        desk.rows(changed)
        desk.run()
        results["invert"] = desk.result("p00.png")
        row, changed = changed, row
    desk.rows(changed)
    before = desk.house.fetches()
    words = ["run", "job.jsonl", "--gateway", desk.house.url, "-o", str(desk.out), "--json"]
    died = subprocess.run(
        [sys.executable, DRIVER, step, when, "1", *words],
        cwd=desk.folder,
        env=desk.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()

    # The one that made room comes back from the disk, and so does the other.
    for wanted in (row, changed):
        desk.rows(wanted)
        ended = desk.run()
        assert (ended.status, ended.items) == (0, {"total": 1, "saved": 1, "reused": 1})
        expected = results.setdefault(wanted["instruction"], desk.result("p00.png"))
        assert desk.result("p00.png") == expected

    assert desk.house.posts() == 2
    again = 0 if reverted else 2
    assert desk.house.fetches() <= before + again
    assert desk.left_over() == []
