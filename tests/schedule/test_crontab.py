from __future__ import annotations

import subprocess
from datetime import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.schedule.crontab import cron_line, with_line
from qwenbatch.schedule.job import ScheduledJob

TEXT = st.text(
    st.characters(blacklist_categories=("Cc", "Cs"), blacklist_characters="/"),
    min_size=1,
    max_size=12,
)


def job(file: Path = Path("/jobs/nightly.toml"), *, at: time = time(2, 5)) -> ScheduledJob:
    return ScheduledJob(
        name="nightly",
        file=file,
        program=("/usr/bin/printf", "[%s]"),
        writes=(Path("/out"),),
        key_file=Path("/key"),
        timeout=300.0,
        at=at,
        until=time(6, 0),
    )


def test_cron_line_starts_the_job_in_its_folder_and_prints_errors_only() -> None:
    assert cron_line(job()) == (
        "5 2 * * * cd /jobs && QWENBATCH_API_KEY_FILE=/key /usr/bin/printf '[\\%s]' run"
        " /jobs/nightly.toml --yes --at 02:05 --until 06:00 --quiet"
    )


@given(TEXT)
def test_cron_line_means_to_a_shell_what_was_meant(name: str) -> None:
    file = Path("/") / f"{name}.toml"
    fields = cron_line(job(file)).split(" ", 5)
    said = subprocess.run(
        ["/bin/sh", "-c", fields[5].replace("\\%", "%")],
        check=True,
        capture_output=True,
        text=True,
    )
    words = ("run", str(file), "--yes", "--at", "02:05", "--until", "06:00", "--quiet")
    assert said.stdout == "".join(f"[{word}]" for word in words)


def test_crontab_has_a_job_once_however_often_it_is_scheduled() -> None:
    before = "MAILTO=me\n0 1 * * * something else\n"
    once = with_line(before, job())
    assert once.startswith(before)
    assert with_line(once, job()) == once
    moved = with_line(once, job(at=time(3, 0)))
    assert moved.count("nightly.toml --yes") == 1
    assert "\n0 3 * * * " in moved
    assert moved.startswith(before)


def test_crontab_keeps_the_line_of_another_job() -> None:
    both = with_line(with_line("", job()), job(Path("/jobs/other.toml")))
    assert both.count("# qwenbatch: ") == 2
    assert with_line(both, job(at=time(4, 0))).count("# qwenbatch: ") == 2
