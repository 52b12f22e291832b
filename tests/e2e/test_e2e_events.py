"""The log of a whole run with faults, held against its schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from qwenbatch.observe.log import SCHEMA_FILE

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk


@pytest.mark.parametrize("to_file", [True, False])
def test_every_line_of_a_run_with_faults_fits_the_schema(desk: Desk, *, to_file: bool) -> None:
    rows = desk.items(8)
    rows.append({"image": "nowhere.png", "instruction": "mirror"})
    desk.rows(*rows)
    for number, fault in enumerate(
        ("throttled", "moderated", "server_error", "gave_up", "result_missing", "unreadable")
    ):
        desk.house.fail(fault, match=None if fault == "result_missing" else f"mirror p0{number}")
    words = ("--log-file", "log") if to_file else ("--quiet",)
    ended = desk.run("--log-format", "json", *words)
    assert ended.status == 4

    text = (desk.folder / "log").read_text() if to_file else ended.stderr
    records: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    judge = Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
    for record in records:
        judge.validate(record)
    assert {record["event"] for record in records} >= {
        "run_opened",
        "row_refused",
        "row_warned",
        "planned",
        "attempt_sent",
        "attempt_ended",
        "fetch_failed",
        "result_saved",
        "run_closed",
    }
    assert records[-1]["summary"]["items"] == ended.told["items"]
