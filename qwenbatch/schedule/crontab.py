"""A line for cron, and the crontab with that line in it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwenbatch.schedule.job import ScheduledJob


def cron_line(job: ScheduledJob) -> str:
    """What cron is to start: errors only are printed, and so mailed.

    `%` is a line's end to cron (crontab(5)), so it is escaped, whatever the shell thinks of it.
    """
    key = () if job.key_file is None else (f"QWENBATCH_API_KEY_FILE={_quoted(str(job.key_file))}",)
    command = " ".join((*key, *map(_quoted, job.command), "--quiet"))
    line = f"cd {_quoted(str(job.file.parent))} && {command}"
    return f"{job.at.minute} {job.at.hour} * * * {line}".replace("%", "\\%")


def with_line(crontab: str, job: ScheduledJob) -> str:
    """The crontab with the job's line, in place of the one that it had for it before."""
    mark = _mark(job)
    lines = crontab.splitlines()
    kept = [
        line
        for number, line in enumerate(lines)
        if line != mark and not (number and lines[number - 1] == mark)
    ]
    return "\n".join([*kept, mark, cron_line(job)]) + "\n"


def _mark(job: ScheduledJob) -> str:
    return f"# qwenbatch: {job.file}"


def _quoted(word: str) -> str:
    return shlex.quote(word)
