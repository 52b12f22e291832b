"""Standard output that takes nothing: a full disk, or closed by whoever started the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.stops import ExitStatus

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk, Ended

COMMANDS = {
    "run": ("run", True),
    "run for a person": ("run", False),
    "check": ("check", True),
    "check for a person": ("check", False),
}


pytestmark = pytest.mark.parametrize(("command", "json"), COMMANDS.values(), ids=COMMANDS)


def ended_with_output(to: str, desk: Desk, command: str, *, json: bool) -> Ended:
    """Do a command on two items, its standard output led to where a shell says."""
    desk.rows(*desk.items(2))
    desk.wrapper = ("sh", "-c", f'exec "$@" >{to}', "sh")
    ended = desk.start(command=command, json_=json).wait()
    assert "Traceback" not in ended.stderr
    assert len(desk.results()) == (2 if command == "run" else 0)
    return ended


def test_a_command_on_a_full_disk_says_so_and_loses_nothing(
    desk: Desk, command: str, *, json: bool
) -> None:
    ended = ended_with_output("/dev/full", desk, command, json=json)
    assert ended.status == ExitStatus.DISK
    assert ended.stderr.splitlines()[-2:] == [
        "qwenbatch: standard output cannot be written: No space left on device",
        "  free room where it goes",
    ]


def test_a_command_whose_output_is_closed_does_its_work(
    desk: Desk, command: str, *, json: bool
) -> None:
    ended = ended_with_output("&-", desk, command, json=json)
    assert ended.status == ExitStatus.SAVED
