"""A job that starts every day: what is printed, what is installed, what is refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

JOB = 'source = "shop.csv"\nout = "../out/shop"\nbudget = "5/day"\ntimeout = 200\n'
SYSTEMCTL = '#!/bin/sh\necho "systemctl $*" >>"$HOME/called"\nexit "${SYSTEMCTL_STATUS:-0}"\n'
CRONTAB = """#!/bin/sh
echo "crontab $*" >>"$HOME/called"
case "$1" in
-l) cat "$HOME/crontab" ;;
-) cat >"$HOME/crontab" ;;
esac
"""


@dataclass
class Home:
    """A user's home with a job file and a key, and stand-ins for the system's programs."""

    folder: Path

    @property
    def job(self) -> Path:
        return self.folder / "jobs" / "nightly.toml"

    @property
    def key(self) -> Path:
        return self.folder / ".config" / "qwenbatch" / "api-key"

    def schedule(self, *words: str, job: Path | None = None, **env: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "qwenbatch", "schedule", str(job or self.job), *words],
            check=False,
            capture_output=True,
            text=True,
            env={
                **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
                "HOME": str(self.folder),
                "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
                "COLUMNS": "200",
                **env,
            },
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    def called(self) -> list[str]:
        path = self.folder / "called"
        return path.read_text().splitlines() if path.exists() else []

    def unit(self, ending: str) -> str:
        folder = self.folder / ".config" / "systemd" / "user"
        return (folder / f"qwenbatch-nightly.{ending}").read_text()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    for path, text in ((made.job, JOB), (made.key, "a-key\n")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (made.job.parent / "shop.csv").write_text("image,instruction\n")
    (tmp_path / "bin").mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("crontab", CRONTAB)):
        program = tmp_path / "bin" / name
        program.write_text(text)
        program.chmod(0o755)
    return made


def test_schedule_prints_units_and_changes_nothing(home: Home) -> None:
    status, said, _ = home.schedule("--at", "02:00", "--until", "06:00")
    assert status == 0
    assert f"run {home.job} --yes --at 02:00 --until 06:00\n" in said
    assert f"ReadWritePaths={home.folder / 'out' / 'shop'}\n" in said
    assert f"LoadCredential=api-key:{home.key}\n" in said
    assert "TimeoutStopSec=380\n" in said
    assert "OnCalendar=*-*-* 02:00:00\n" in said
    assert "a-key" not in said
    assert home.called() == []
    assert not (home.folder / "out").exists()


def test_schedule_installs_and_enables_the_users_units(home: Home) -> None:
    status, said, _ = home.schedule("--at", "2:00", "--install")
    assert status == 0
    assert "enable-linger" in said
    assert f"run {home.job} --yes\n" in home.unit("service")
    assert "OnCalendar=*-*-* 02:00:00" in home.unit("timer")
    assert home.called() == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now qwenbatch-nightly.timer",
    ]
    assert (home.folder / "out" / "shop").is_dir()
    assert home.schedule("--at", "3:00", "--install")[0] == 0
    assert "OnCalendar=*-*-* 03:00:00" in home.unit("timer")


def test_schedule_says_what_is_left_where_systemd_refuses(home: Home) -> None:
    status, _, said = home.schedule("--at", "2:00", "--install", SYSTEMCTL_STATUS="1")
    assert status == 2
    assert "the units are written" in said
    assert "systemctl --user daemon-reload" in said


def test_schedule_leaves_the_unit_of_another_job_alone(home: Home) -> None:
    assert home.schedule("--at", "2:00", "--install")[0] == 0
    before = home.unit("service")
    other = home.folder / "other" / "nightly.toml"
    shutil.copytree(home.job.parent, other.parent)
    status, _, said = home.schedule("--at", "4:00", "--install", job=other)
    assert status == 2
    assert "another job" in said
    assert home.unit("service") == before


def test_schedule_lets_the_folders_of_log_and_metrics_be_written(home: Home) -> None:
    home.job.write_text(JOB + 'metrics = "../node/shop.prom"\nlog-file = "../log/shop.log"\n')
    _, said, _ = home.schedule("--at", "2:00")
    (line,) = re.findall("^ReadWritePaths=(.*)$", said, re.MULTILINE)
    assert {f"{home.folder}/{name}" for name in ("out/shop", "node", "log")} == set(line.split())


def test_schedule_prints_a_crontab_line(home: Home) -> None:
    status, said, _ = home.schedule("--at", "2:30", "--cron")
    assert status == 0
    assert said.startswith("30 2 * * * cd ")
    assert said.count("\n") == 1
    assert home.called() == []


def test_schedule_installs_a_crontab_line_once(home: Home) -> None:
    (home.folder / "crontab").write_text("MAILTO=me\n")
    for at in ("2:30", "3:30"):
        assert home.schedule("--at", at, "--cron", "--install")[0] == 0
    lines = (home.folder / "crontab").read_text().splitlines()
    assert lines[0] == "MAILTO=me"
    assert lines[1] == f"# qwenbatch: {home.job}"
    assert lines[2].startswith("30 3 * * * ")
    assert len(lines) == 3


def test_schedule_needs_a_cap(home: Home) -> None:
    home.job.write_text(JOB.replace('budget = "5/day"\n', ""))
    status, _, said = home.schedule("--at", "2:00", QWENBATCH_MAX_COST="5")
    assert status == 2
    assert "names no cap" in said
    home.job.write_text(JOB.replace('budget = "5/day"', "max-cost = 5"))
    assert home.schedule("--at", "2:00")[0] == 0


def test_schedule_needs_a_key_before_it_installs(home: Home) -> None:
    home.key.unlink()
    status, _, said = home.schedule("--at", "2:00", "--install")
    assert status == 2
    assert "there is no key in" in said
    assert home.called() == []
    home.job.write_text(JOB + "sandbox = true\n")
    assert home.schedule("--at", "2:00", "--install")[0] == 0
    assert "API_KEY" not in home.unit("service")


def test_schedule_needs_no_key_in_a_place_of_its_own(home: Home) -> None:
    key = home.folder / "elsewhere"
    key.write_text("a-key")
    _, said, _ = home.schedule("--at", "2:00", QWENBATCH_API_KEY_FILE=str(key))
    assert f"LoadCredential=api-key:{key}\n" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--at is missing"),
        (("--at", "25:00"), "--at"),
        (("--at", "2:00", "--until", "noon"), "--until"),
    ],
)
def test_schedule_refuses_what_is_no_time(home: Home, words: tuple[str, ...], told: str) -> None:
    status, _, said = home.schedule(*words)
    assert status == 2
    assert told in said


def test_schedule_wants_a_job_file(home: Home) -> None:
    manifest = home.folder / "shop.csv"
    manifest.write_text("image\n")
    status, _, said = home.schedule("--at", "2:00", job=manifest)
    assert status == 2
    assert "no job file" in said


def test_schedule_takes_its_hours_from_the_job_file(home: Home) -> None:
    home.job.write_text(JOB + 'at = "01:30"\nuntil = "05:00"\n')
    status, said, _ = home.schedule()
    assert status == 0
    assert "--at 01:30 --until 05:00" in said


def test_schedule_of_a_store_needs_a_ledger_and_lets_the_service_write_there(home: Home) -> None:
    out = next(line for line in JOB.splitlines() if line.startswith("out"))
    job = JOB.replace(out, 'out = "s3://bucket/out"')
    home.job.write_text(job)
    status, _, said = home.schedule("--at", "2:00")
    assert status == 2
    assert "no ledger for it" in said
    home.job.write_text(job + 'ledger = "books/ledger.db"\n')
    status, printed, _ = home.schedule("--at", "2:00")
    assert status == 0
    assert str(home.job.parent / "books") in printed
    assert "s3:" not in printed
