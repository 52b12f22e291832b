"""The units are held to systemd's own checker."""

from __future__ import annotations

import shutil
import subprocess
from datetime import time
from pathlib import Path

import pytest

from qwenbatch.schedule.job import ScheduledJob
from qwenbatch.schedule.units import service_unit, timer_unit


def job(
    folder: Path,
    *,
    name: str = "nightly",
    file: Path | None = None,
    key: bool = True,
    until: time | None = time(6, 0),
) -> ScheduledJob:
    return ScheduledJob(
        name=name,
        file=file or folder / "jobs" / "nightly.toml",
        program=("/bin/true",),
        writes=(folder / "out",),
        key_file=folder / "key" if key else None,
        timeout=300.0,
        at=time(2, 0),
        until=until,
    )


def complaints(folder: Path, one: ScheduledJob) -> str:
    """What systemd's checker says of both units; nothing if they are sound."""
    checker = shutil.which("systemd-analyze")
    assert checker is not None, "needs the system package systemd, for systemd-analyze"
    units = folder / "units"
    units.mkdir()
    (units / "qwenbatch-nightly.service").write_text(service_unit(one))
    (units / "qwenbatch-nightly.timer").write_text(timer_unit(one))
    checked = subprocess.run(
        [
            checker,
            "verify",
            "--user",
            "--man=no",
            "--recursive-errors=no",
            *(str(path) for path in units.iterdir()),
        ],
        check=False,
        capture_output=True,
        text=True,
        env={"XDG_RUNTIME_DIR": str(folder), "SYSTEMD_LOG_LEVEL": "warning"},
    )
    return checked.stdout + checked.stderr + ("" if not checked.returncode else "failed")


@pytest.mark.parametrize("until", [time(6, 0), None])
@pytest.mark.parametrize("key", [True, False])
def test_units_are_sound_to_systemd(tmp_path: Path, *, key: bool, until: time | None) -> None:
    assert complaints(tmp_path, job(tmp_path, key=key, until=until)) == ""


def test_units_of_hostile_names_are_sound_to_systemd(tmp_path: Path) -> None:
    folder = tmp_path / "a \"b\" 100% $HOME \\x 'c' ü;#"
    assert complaints(tmp_path, job(folder, name="50% off; $now")) == ""


def test_the_checker_would_find_a_fault(tmp_path: Path) -> None:
    one = job(tmp_path, file=Path("relative/nightly.toml"))
    assert "relative" in complaints(tmp_path, one)


def test_service_says_the_window_so_that_a_late_start_sends_nothing(tmp_path: Path) -> None:
    text = service_unit(job(tmp_path))
    file = tmp_path / "jobs" / "nightly.toml"
    assert f"ExecStart=/bin/true run {file} --yes --at 02:00 --until 06:00\n" in text


def test_service_waits_longer_than_a_drain_before_it_kills(tmp_path: Path) -> None:
    assert "TimeoutStopSec=480\n" in service_unit(job(tmp_path))


def test_service_gets_the_key_as_a_credential_and_never_names_it(tmp_path: Path) -> None:
    text = service_unit(job(tmp_path))
    assert f"LoadCredential=api-key:{tmp_path / 'key'}\n" in text
    assert "Environment=QWENBATCH_API_KEY_FILE=%d/api-key\n" in text
    assert "API_KEY" not in service_unit(job(tmp_path, key=False))


def test_service_escapes_what_systemd_would_read_as_its_own(tmp_path: Path) -> None:
    text = service_unit(job(tmp_path, file=Path('/data/100% "x" $HOME/n.toml')))
    assert 'run "/data/100%% \\"x\\" $$HOME/n.toml" --yes' in text


def test_timer_catches_up_and_does_not_knock_at_the_full_second(tmp_path: Path) -> None:
    text = timer_unit(job(tmp_path))
    assert "OnCalendar=*-*-* 02:00:00\n" in text
    assert "Persistent=true\n" in text
    assert "RandomizedDelaySec=300\n" in text


@pytest.mark.parametrize(
    ("until", "delay"),
    [(time(2, 10), 60), (time(1, 59), 300), (None, 300), (time(2, 30), 180)],
)
def test_timer_delays_by_a_tenth_of_the_window_at_most(
    tmp_path: Path,
    until: time | None,
    delay: int,
) -> None:
    assert f"RandomizedDelaySec={delay}\n" in timer_unit(job(tmp_path, until=until))
