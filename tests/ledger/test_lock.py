from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from qwenbatch.errors import DiskError, LedgerBusyError
from qwenbatch.ledger.lock import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDER = """
import sys, pathlib
from qwenbatch.ledger.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db.lock"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_lock_names_who_holds_it(path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(LedgerBusyError) as caught, locked(path):
        pass
    said = caught.value.what
    since = json.loads(path.read_text())["since"]
    assert f"process {holder.pid} on {socket.gethostname()} since {since}" in said
    assert datetime.fromisoformat(since).utcoffset() is not None
    assert str(path) in said


def test_lock_is_freed_by_a_death(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    with locked(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_lock_is_freed_at_the_end_and_may_be_taken_again(path: Path) -> None:
    for _ in range(2):
        with locked(path), pytest.raises(LedgerBusyError), locked(path):
            pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("note", ["{", "[" * 4096, "[]"])
def test_lock_with_an_unreadable_note_is_held_all_the_same(path: Path, note: str) -> None:
    with locked(path):
        path.write_text(note)
        with pytest.raises(LedgerBusyError, match="another process"), locked(path):
            pass


def test_lock_signs_over_a_longer_note(path: Path) -> None:
    path.write_text("x" * 500)
    with locked(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_lock_where_no_file_can_be_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot be made"), locked(tmp_path / "gone" / "lock"):
        pass
