"""Makes a job file start every day: prints systemd units or a crontab line, or installs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qwenbatch.core.store_url import StoreUrl
from qwenbatch.errors import DiskError, UsageError
from qwenbatch.schedule.crontab import cron_line, with_line
from qwenbatch.schedule.job import ScheduledJob
from qwenbatch.schedule.units import service_unit, timer_unit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import time

    from qwenbatch.wiring.settings import RunSettings

SECONDS = 60
"""The longest that systemctl or crontab is waited for."""

_STRANGE = re.compile(r"[^A-Za-z0-9_.-]+")


def scheduled_job(
    file: Path,
    settings: RunSettings,
    *,
    at: time,
    until: time | None,
    also_writes: Sequence[Path],
) -> ScheduledJob:
    """The job of a job file, whose settings those are.

    Raises UsageError if it names no cap, or if a path has characters that no unit can hold.
    """
    file = Path(os.path.abspath(file))  # noqa: PTH100 - resolve would follow links
    if settings.caps.max_cost is None and settings.caps.budget is None:
        raise UsageError(
            f"{file} names no cap, and nobody watches at night",
            'write budget = "5/day" or max-cost = 5 into it',
        )
    if isinstance(settings.out_folder, StoreUrl) and settings.ledger is None:
        raise UsageError(
            f"{file} names an OUT in a store, and no ledger for it",
            'write ledger = "PATH" into it: the service may write there alone',
        )
    job = ScheduledJob(
        name=f"qwenbatch-{_STRANGE.sub('-', file.stem).strip('-') or 'job'}",
        file=file,
        program=_program(),
        writes=tuple(
            dict.fromkeys((*_out_folder(settings), *_ledger_folder(settings), *also_writes))
        ),
        key_file=_key_file(settings),
        timeout=settings.timeout,
        at=at,
        until=until,
    )
    for word in (*job.command, *map(str, job.writes), str(job.key_file)):
        if not word.isprintable():
            raise UsageError(
                f"{word!r} has characters that no schedule can hold",
                "rename it",
            )
    return job


def units_folder() -> Path:
    """Where the user's own units lie (systemd.unit(5))."""
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "systemd" / "user"


def units_text(job: ScheduledJob) -> str:
    """Both units as one text, each behind the path that it belongs to."""
    service, timer = _unit_paths(job)
    return f"# {service}\n{service_unit(job)}\n# {timer}\n{timer_unit(job)}"


def install_units(job: ScheduledJob) -> str:
    """Write the units and enable the timer; what is to be said of it.

    Raises UsageError for a key that cannot be used or a unit that is another job's, DiskError for
    what cannot be written.
    """
    _check_key(job)
    service, timer = _unit_paths(job)
    _refuse_stranger(service, job)
    try:
        service.parent.mkdir(parents=True, exist_ok=True)
        for folder in job.writes:
            folder.mkdir(parents=True, exist_ok=True)
        service.write_text(service_unit(job), encoding="utf-8")
        timer.write_text(timer_unit(job), encoding="utf-8")
    except OSError as error:
        raise DiskError(
            f"{error.filename} cannot be written: {error.strerror}",
            "make it writable, or leave out --install and put the units where they belong",
        ) from error
    for words in (["daemon-reload"], ["enable", "--now", timer.name]):
        _call(["systemctl", "--user", *words], f"the units are written to {service.parent}")
    return (
        f"{timer.name} starts {job.file} every day at {job.at:%H:%M}.\n"
        "It runs while you are logged in; on a machine that nobody logs in to:"
        " loginctl enable-linger"
    )


def install_cron(job: ScheduledJob) -> str:
    """Put the job's line into the user's crontab; what is to be said of it."""
    _check_key(job)
    try:
        for folder in job.writes:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(f"{error.filename} cannot be made: {error.strerror}", "") from error
    before = _call(["crontab", "-l"], "nothing was changed", fails_empty=True)
    _call(["crontab", "-"], "nothing was changed", text=with_line(before, job))
    return f"the crontab starts {job.file} every day at {job.at:%H:%M}"


def cron_text(job: ScheduledJob) -> str:
    """The line for a crontab."""
    return cron_line(job) + "\n"


def _check_key(job: ScheduledJob) -> None:
    """Refuse to install what would find no key in the middle of the night."""
    path = job.key_file
    if path is not None and not (os.access(path, os.R_OK) and path.stat().st_size):
        raise UsageError(
            f"there is no key in {path}, and a scheduled job has nobody to ask",
            f"put it there: mkdir -p {path.parent};"
            f" (umask 077; printenv QWENBATCH_API_KEY > {path})",
        )


def _unit_paths(job: ScheduledJob) -> tuple[Path, Path]:
    folder = units_folder()
    return folder / f"{job.name}.service", folder / f"{job.name}.timer"


def _refuse_stranger(service: Path, job: ScheduledJob) -> None:
    """A unit of the same name that starts another job is not ours to replace."""
    try:
        before = service.read_text(encoding="utf-8")
    except OSError:
        return
    wanted = next(line for line in service_unit(job).splitlines() if line.startswith("Working"))
    if wanted not in before.splitlines():
        raise UsageError(
            f"{service} is there already, and starts another job",
            "rename the job file, or remove that unit",
        )


def _program() -> tuple[str, ...]:
    found = shutil.which("qwenbatch")
    beside = Path(sys.executable).with_name("qwenbatch")
    if beside.is_file():
        return (str(beside),)
    if found is not None:
        return (os.path.abspath(found),)  # noqa: PTH100 - resolve would follow links
    return (sys.executable, "-m", "qwenbatch")


def _out_folder(settings: RunSettings) -> tuple[Path, ...]:
    """OUT, where it is a folder."""
    return (settings.out_folder,) if isinstance(settings.out_folder, Path) else ()


def _ledger_folder(settings: RunSettings) -> tuple[Path, ...]:
    if settings.ledger is None:
        return ()
    return (Path(os.path.abspath(settings.ledger)).parent,)  # noqa: PTH100 - likewise


def _key_file(settings: RunSettings) -> Path | None:
    """Where the key is read from at night; None where none is needed, and none is there."""
    if settings.sandbox:
        return None
    told = os.environ.get("QWENBATCH_API_KEY_FILE")
    if told:
        return Path(os.path.abspath(told))  # noqa: PTH100 - likewise
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    usual = Path(config) / "qwenbatch" / "api-key"
    return usual if settings.door.key.needed or usual.exists() else None


def _call(
    words: list[str],
    so_far: str,
    *,
    text: str | None = None,
    fails_empty: bool = False,
) -> str:
    """Call a program of the system; its output. UsageError says what is left to do by hand."""
    advice = f"{so_far}; what is left: {' '.join(words)}"
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            words,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{words[0]} cannot be called: {error}", advice) from error
    if done.returncode and not fails_empty:
        raise UsageError(f"`{' '.join(words)}` failed: {done.stderr.strip()}", advice)
    return "" if done.returncode else done.stdout
