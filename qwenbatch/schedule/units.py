"""A systemd service and its timer, for the user's own manager.

The service may read what the user may read and write where its results go, and nothing else:
see systemd.exec(5) for each line. The key comes as a credential (systemd.exec(5),
LoadCredential=), which no other process of the machine sees.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qwenbatch.schedule.job import ScheduledJob

CREDENTIAL = "api-key"
"""The name under which the service finds the key."""

_SAFE_WORD = re.compile(r"[A-Za-z0-9_./:=@,+-]+\Z").match

_HARDENING = """\
# It may read what you may read; it writes only where its results go.
PrivateUsers=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
NoNewPrivileges=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectClock=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077
"""


def service_unit(job: ScheduledJob) -> str:
    """The text of the service.

    Exits 5 (a cap) and 6 (a deadline) are planned ends of a night, so they are no failure of the
    unit; OnFailure= of your own hears of all others.
    """
    lines = [
        "[Unit]",
        f"Description={_escaped(job.name)}: edits pictures",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={_words(job.command, dollars=True)}",
        f"WorkingDirectory={_escaped(str(job.file.parent))}",
        *_key_lines(job),
        "# A cap and a deadline are planned ends.",
        "SuccessExitStatus=5 6",
        "# What is in flight when it is told to stop is paid for: let it land.",
        "KillMode=mixed",
        f"TimeoutStopSec={job.drain}",
        f"ReadWritePaths={_words(map(str, job.writes))}",
        _HARDENING,
    ]
    return "\n".join(lines)


def timer_unit(job: ScheduledJob) -> str:
    """The text of the timer: every day, and later where the machine was off at the time."""
    return f"""\
[Unit]
Description={_escaped(job.name)}, every day at {job.at:%H:%M}

[Timer]
OnCalendar=*-*-* {job.at:%H:%M}:00
Persistent=true
RandomizedDelaySec={job.delay}
AccuracySec=1min

[Install]
WantedBy=timers.target
"""


def _key_lines(job: ScheduledJob) -> Iterable[str]:
    if job.key_file is None:
        return ()
    return (
        f"LoadCredential={CREDENTIAL}:{_escaped(str(job.key_file))}",
        f"Environment=QWENBATCH_API_KEY_FILE=%d/{CREDENTIAL}",
    )


def _words(words: Iterable[str], *, dollars: bool = False) -> str:
    return " ".join(_word(word, dollars=dollars) for word in words)


def _word(word: str, *, dollars: bool) -> str:
    """A word as systemd.syntax(7) quotes it; `$` stands for a variable only on a command line."""
    if _SAFE_WORD(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    if dollars:
        escaped = escaped.replace("$", "$$")
    return f'"{_escaped(escaped)}"'


def _escaped(text: str) -> str:
    """`%` begins a specifier everywhere in a unit."""
    return text.replace("%", "%%")
