from __future__ import annotations

import json
import socket
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from qwenbatch.cli.app import command
from qwenbatch.wiring.machine import clock_check, files_check, sqlite_check, terminal_check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from qwenbatch.core.store_url import StoreUrl

    Look = Callable[..., tuple[int, dict[str, Any]]]

KEY = "very-secret-key"


@contextmanager
def listener() -> Iterator[str]:
    """An address that takes connections; an endpoint there. It never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/edit"


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Look:
    """`doctor --json`: its exit status, and each check by its name."""
    monkeypatch.setenv("QWENBATCH_API_KEY", KEY)
    monkeypatch.delenv("QWENBATCH_API_KEY_FILE", raising=False)

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = command(["doctor", "--json", *map(str, arguments)])
        written = capsys.readouterr()
        assert KEY not in written.out + written.err
        told = json.loads(written.out)
        assert told["exit_status"] == status == (0 if all(c["ok"] for c in told["checks"]) else 3)
        assert all(bool(check["advice"]) is not check["ok"] for check in told["checks"])
        return status, {check["name"]: check for check in told["checks"]}

    return run


def test_doctor_finds_all_well_on_a_sound_machine(look: Look, tmp_path: Path) -> None:
    with listener() as url:
        _, checks = look("--gateway", url, "-o", tmp_path / "out", "-c", 1)
    assert list(checks) == [
        "program",
        "sqlite",
        "pictures",
        "clock",
        "terminal",
        "open files",
        "key",
        "proxy",
        "gateway",
        "disk",
        "ledger's place",
        "ledger",
    ]
    assert [name for name, check in checks.items() if not check["ok"]] == []
    assert checks["key"]["says"] == "present, from QWENBATCH_API_KEY"
    assert checks["ledger"]["says"] == "none yet: the first run makes it"
    assert not (tmp_path / "out").exists()


def test_doctor_sends_nothing_to_the_gateway(look: Look) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        look("--gateway", f"http://127.0.0.1:{server.getsockname()[1]}/edit")
        connection, _ = server.accept()
        with closing(connection):
            assert connection.recv(1) == b""


def test_doctor_says_why_the_gateway_cannot_be_reached(look: Look) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    status, checks = look("--gateway", f"https://127.0.0.1:{port}/edit")
    assert status == 3
    assert "refused" in checks["gateway"]["says"]
    status, checks = look("--gateway", "https://no-such-host.invalid/edit")
    assert "cannot be looked up" in checks["gateway"]["says"]


def test_doctor_misses_the_key_and_warns_of_a_readable_file(
    look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QWENBATCH_API_KEY")
    with listener() as url:
        assert not look("--gateway", url)[1]["key"]["ok"]
        file = tmp_path / "the key"
        file.write_text(KEY)
        file.chmod(0o644)
        monkeypatch.setenv("QWENBATCH_API_KEY_FILE", str(file))
        check = look("--gateway", url)[1]["key"]
        assert "others on this machine may read or change it" in check["says"]
        assert check["advice"] == f"chmod 600 '{file}'; if others did read it, get a new key"
        file.chmod(0o600)
        assert look("--gateway", url)[1]["key"]["ok"]


def test_doctor_counts_open_files_and_room_by_concurrency(look: Look, tmp_path: Path) -> None:
    with listener() as url:
        _, checks = look("--gateway", url, "-o", tmp_path, "-c", 1000)
        # A picture that comes in its answer lies there twice.
        _, twice = look("--service", "openai", "--gateway", url, "-o", tmp_path, "-c", 1000)
    assert "4,100 are needed" in checks["open files"]["says"]
    assert "24,000 MB are kept" in checks["disk"]["says"]
    assert "48,000 MB are kept" in twice["disk"]["says"]


def test_doctor_warns_of_a_key_in_the_open_only_where_one_is_shown(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listener() as url:
        monkeypatch.setenv("http_proxy", url.removesuffix("/edit"))
        own = ("--service", "openai", "--gateway", "http://gpu.test/v1/images/edits")
        assert "the key would be seen" in look(*own)[1]["gateway"]["says"]
        monkeypatch.delenv("QWENBATCH_API_KEY")
        check = look(*own)[1]["gateway"]
        assert (check["ok"], "no key is shown" in check["says"]) == (True, True)
        assert not look("--gateway", "http://gpu.test/edit")[1]["gateway"]["ok"]


def test_doctor_tells_a_sound_ledger_from_a_damaged_one(look: Look, shop: Any) -> None:
    shop.picture("a.jpg")
    shop.run(shop.manifest("m.jsonl", {"image": "a.jpg", "instruction": "sepia"}))
    with listener() as url:
        assert "is sound, for pixazo" in look("--gateway", url, "-o", shop.out)[1]["ledger"]["says"]
        (shop.out / ".qwenbatch/ledger.db").write_bytes(b"no database at all" * 500)
        check = look("--gateway", url, "-o", shop.out)[1]["ledger"]
    assert (check["ok"], "damaged or no ledger" in check["says"]) == (False, True)


@pytest.mark.usefixtures("look")
def test_doctor_prints_a_line_for_each_check(capsys: pytest.CaptureFixture[str]) -> None:
    with listener() as url:
        command(["doctor", "--gateway", url])
    told = capsys.readouterr().out
    assert "ok    gateway" in told
    assert "no request was made" in told


@pytest.mark.parametrize(
    ("version", "ok"), [("3.51.2", False), ("3.51.3", True), ("3.52.0", True), ("3.9.9", False)]
)
def test_doctor_wants_an_sqlite_without_the_known_faults(version: str, ok: bool) -> None:  # noqa: FBT001 - a table's column
    assert sqlite_check(version).ok is ok


def test_doctor_doubts_a_clock_before_the_program_or_far_beyond() -> None:
    built = 1_790_000_000.0
    assert clock_check(built + 1, built=built).ok
    assert not clock_check(0.0, built=built).ok
    assert not clock_check(4_200_000_000.0, built=built).ok


def test_doctor_judges_limits_and_encodings() -> None:
    assert files_check(-1, 32).ok
    assert files_check(228, 32).ok
    assert files_check(227, 32).advice.startswith("ulimit -n 228")
    assert terminal_check("UTF-8").ok
    assert not terminal_check("ascii").ok


def test_doctor_looks_at_a_store_and_at_the_ledger_beside_it(
    look: Look, store: StoreUrl, tmp_path: Path
) -> None:
    with listener() as url:
        _, checks = look("--gateway", url, "-o", store, "--ledger", tmp_path / "l.db")
        _, without = look("--gateway", url, "-o", store)
        _, nowhere = look("--gateway", url, "-o", f"{store}-not/out", "--ledger", "l.db")
    assert checks["store"]["ok"]
    assert checks["disk"]["ok"]
    assert str(tmp_path) in checks["ledger's place"]["says"]
    assert checks["ledger"]["says"] == "none yet: the first run makes it"
    assert "no ledger can be kept" in without["ledger"]["says"]
    assert "no such bucket" in nowhere["store"]["says"]
