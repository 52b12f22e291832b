"""The key and the signatures of results' URLs are nowhere but where they must be."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import until
from tests.e2e.front import Front, Said, open_front

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Desk, Started

SIGNATURE = "Zq7-signed-19c4"
_OTHERS = 0o077


@contextmanager
def sandbox_process(folder: Path, key: str) -> Iterator[str]:
    """`qwenbatch sandbox` with a key of its own; its endpoint."""
    words = [sys.executable, "-m", "qwenbatch", "sandbox", "--key", key]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def dump(file: Path) -> bytes:
    """All that a ledger says, but for where results are fetched from."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        db.execute("PRAGMA query_only = 1")
        tables = [
            name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        rows: list[Any] = []
        for table in tables:
            names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            kept = ", ".join(name for name in names if (table, name) not in FETCHED_FROM)
            rows += db.execute(f"SELECT {kept} FROM {table}").fetchall()  # noqa: S608 - its own names
    return repr(rows).encode()


FETCHED_FROM = {("attempts", "url"), ("attempts", "raw")}


def told_of(pid: int) -> bytes:
    """What any process list shows of a process and of its children."""
    told = Path(f"/proc/{pid}/cmdline").read_bytes()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            told += Path(f"/proc/{child}/cmdline").read_bytes()
            told += Path(f"/proc/{child}/environ").read_bytes()
    return told


def files_in(*places: Path) -> dict[Path, bytes]:
    found = [file for place in places for file in (place.rglob("*") if place.is_dir() else [place])]
    return {file: file.read_bytes() for file in found if file.is_file()}


def say_the_key(front: Front, key: str) -> None:
    """The front repeats the key in every way in which an answer has words."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in key)
    link = f"https://h.test/p.png?sig={SIGNATURE}"
    headers = {"X-Key": key, "Set-Cookie": f"key={key}", "Content-Type": "application/json"}

    def said(status: int, **told: str) -> Said:
        body = json.dumps(told).replace("ESCAPED", escaped).encode()
        return Said(status, body, headers)

    front.says = {
        "p00": said(500, error=f"bad key {key}", message=f"ESCAPED at {link}"),
        "p01": said(400, error="Invalid parameters", message=f"{key} ESCAPED {link}"),
        "p02": said(200, success=f"{key} ESCAPED", data=f"ESCAPED{key}"),
        "p03": Said(400, f'{{"request_id": "{key}", "code": "Invalid{key}"}}'.encode(), headers),
        "p04": said(504, error=key, message=link),
    }
    image = {"image": f"http://10.0.0.1/p.png?sig={SIGNATURE}"}
    output = {"choices": [{"message": {"content": [image]}}]}
    front.says["p05"] = Said(
        200, json.dumps({"output": output, "request_id": key}).encode(), headers
    )


@pytest.fixture
def key() -> str:
    return secrets.token_hex(16)


def test_a_runs_secrets_are_nowhere(desk: Desk, key: str) -> None:
    wrong = secrets.token_hex(16)
    desk.rows(*desk.items(8))
    with (
        sandbox_process(desk.folder, key) as endpoint,
        open_front(endpoint, query=f"?signature={SIGNATURE}") as front,
    ):
        ended = [started.wait() for started in _runs(desk, front, key, wrong)]
        assert [each.status for each in ended] == [7, 4, 7]
        fetched = [head for path, head in front.heads if path.startswith("/results/")]
    assert all(SIGNATURE in path for path, _ in front.heads if path.startswith("/results/"))
    assert fetched
    assert all("Ocp-Apim-Subscription-Key" not in head for head in fetched)

    for command in (["status"], ["audit"], ["export", "--format", "jsonl"]):
        _look(desk, *command)
    written = files_in(desk.out, *desk.folder.glob("std*"), *desk.folder.glob("log*"))
    ledger = desk.out / ".qwenbatch/ledger.db"
    assert any(b"***" in data for data in written.values()), "the front repeats the key"
    for secret in (key, wrong, "".join(f"\\u{ord(letter):04x}" for letter in key)):
        assert [str(file) for file, data in written.items() if secret.encode() in data] == []
    signed = [file.name for file, data in written.items() if SIGNATURE.encode() in data]
    assert [name for name in signed if not name.startswith("ledger.db")] == []
    assert SIGNATURE.encode() not in dump(ledger)


def _runs(desk: Desk, front: Front, key: str, wrong: str) -> Iterator[Started]:
    """With a wrong key; with the right one and every failure; with a redirect."""
    logs = ("--log-file", "log.json", "--log-format", "json")
    desk.environment["QWENBATCH_API_KEY"] = wrong
    yield desk.start(*logs, "--gateway", front.url, gateway=False)

    (desk.folder / "key").write_text(key)
    (desk.folder / "key").chmod(0o600)
    del desk.environment["QWENBATCH_API_KEY"]
    desk.environment["QWENBATCH_API_KEY_FILE"] = str(desk.folder / "key")
    say_the_key(front, key)
    front.failures, front.held = 2, threading.Event()
    started = desk.start(
        "--log-file", "log.text", "--attempts", 2, "--gateway", front.url, gateway=False
    )
    sent = len(front.heads)
    while len(front.heads) == sent:
        assert started.process.poll() is None
    seen = told_of(started.pid)
    front.held.set()
    assert key.encode() not in seen
    assert b"--attempts" in seen
    yield started

    front.says = {"p0": Said(302, key.encode(), {"Location": f"http://10.0.0.1/?k={key}"})}
    yield desk.start(*logs, "--retry-failed", "--gateway", front.url, gateway=False)


def _look(desk: Desk, *command: str) -> None:
    words = [sys.executable, "-m", "qwenbatch", *command, str(desk.out)]
    looked = subprocess.run(
        words, cwd=desk.folder, env=desk.environment, capture_output=True, check=False, timeout=20
    )
    name = "-".join(("stdout", *(word.strip("-") for word in command)))
    (desk.folder / name).write_bytes(looked.stdout + looked.stderr)
    assert looked.stdout, looked.stderr


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_state_is_for_its_owner_alone_whatever_the_umask_says(desk: Desk, umask: int) -> None:
    desk.rows(*desk.items(2))
    desk.house.fail("result_slow", match="p01", delay=60.0)
    own, far = desk.out / ".qwenbatch", desk.folder / "far"
    before = os.umask(umask)
    try:
        logged = desk.start("--log-file", "log")
        desk.house.wait_fetches(2)
        until(lambda: (desk.out / "p00.png").exists() and not _parts(own), "one of two results")
        modes = _modes(own)
        logged.kill()
        desk.rows(*desk.items(2, shade=7))
        assert desk.run().items["saved"] == 2
        led = ("--ledger", desk.folder / "led/ger.db")
        assert desk.run("--sandbox", "-o", far, *led, gateway=False, out=False).status == 0
    finally:
        os.umask(before)
    modes |= _modes(own) | _modes(far / ".qwenbatch") | _modes(desk.folder / "led")
    modes[desk.folder / "log"] = (desk.folder / "log").stat().st_mode
    names = {path.name for path in modes}
    assert names >= {f"ledger.db{end}" for end in ("", "-wal", "-shm", ".lock", ".spool")}
    assert names >= {"books.jsonl", "port", "ledger.json", "ger.db", "log", "replaced"}
    kept = own / "replaced"
    open_to_others = [
        str(path) for path, mode in modes.items() if mode & _OTHERS and path.parent != kept
    ]
    assert open_to_others == []
    for result in ("p00.png", "p01.png"):
        assert stat.S_IMODE((desk.out / result).stat().st_mode) == 0o666 & ~umask


def _parts(own: Path) -> int:
    return len(list(own.glob("tmp/*.part")))


def _modes(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}


def test_a_state_folder_that_others_may_enter_is_closed_to_them(desk: Desk) -> None:
    desk.rows(*desk.items(1))
    own = desk.out / ".qwenbatch"
    own.mkdir(parents=True)
    own.chmod(0o755)
    assert desk.run().status == 0
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
