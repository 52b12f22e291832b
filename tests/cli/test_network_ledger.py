"""A ledger on a network file system, as the machine's own list of mounts tells it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from qwenbatch.cli.app import command
from qwenbatch.wiring import opening


@pytest.fixture
def share(shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the list of mounts calls a share."""
    folder = tmp_path / "share"
    folder.mkdir()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "27 1 254:0 / / rw - ext4 /dev/vda rw\n"
        f"40 27 0:40 / {folder} rw,relatime shared:7 - nfs4 server:/export rw\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(opening, "MOUNTS", mounts)
    shop.picture("a.jpg")
    shop.manifest("m.jsonl", {"image": "a.jpg", "instruction": "sepia", "output": "one.png"})
    return folder


def test_run_refuses_a_ledger_on_a_network_file_system_and_says_what_to_do(
    shop: Any, share: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = command(["run", str(shop.folder / "m.jsonl"), "--sandbox", "-o", str(share / "out")])
    told = capsys.readouterr().err
    assert (status, "network file system (nfs4)" in told, "--ledger" in told) == (2, True, True)
    assert list(share.iterdir()) == []


def test_run_puts_results_on_the_share_and_the_ledger_elsewhere(
    shop: Any, share: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = share / "out"
    arguments = [str(shop.folder / "m.jsonl"), "--sandbox", "-o", str(out), "--quiet"]
    ledger = str(tmp_path / "local.db")
    assert command(["run", *arguments, "--ledger", ledger]) == 0
    assert (out / "one.png").exists()
    for line in (["audit", str(out)], ["settle", str(out), "--as", "paid"], ["run", *arguments]):
        assert command(line) == 0
    capsys.readouterr()
    command(["doctor", "--json", "--gateway", "http://127.0.0.1:9/x", "-o", str(share)])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert "nfs4" in checks["ledger's place"]["says"]


def test_run_flushes_the_folder_in_which_out_remembers_its_ledger(
    shop: Any, share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = share / "out" / ".qwenbatch"
    flushed: list[bool] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == own:
            flushed.append((own / "ledger.json").exists())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    arguments = [str(shop.folder / "m.jsonl"), "--sandbox", "-o", str(share / "out"), "--quiet"]
    folder = tmp_path / "new" / "local"
    assert command(["run", *arguments, "--ledger", str(folder / "ledger.db")]) == 0
    assert True in flushed
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
