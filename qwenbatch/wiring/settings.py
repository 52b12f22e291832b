"""What a run is told: every option by its own name, checked before anything is opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.budget import Caps
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.paths import Template
from qwenbatch.core.plan import Asked
from qwenbatch.core.subscription_key import SubscriptionKey
from qwenbatch.errors import UsageError
from qwenbatch.gateway.doors import DOORS
from qwenbatch.gateway.doors.pixazo import PIXAZO
from qwenbatch.wiring.places import Place, absolute

if TYPE_CHECKING:
    from qwenbatch.gateway.door import Door

DEFAULT_CONCURRENCY = 32
DEFAULT_RATE = 2.0
DEFAULT_TIMEOUT = 300.0
DEFAULT_ATTEMPTS = 4

KEY_VARIABLE = "QWENBATCH_API_KEY"
"""It is read where the key is needed, and nowhere else."""

DEFAULT_SERVICE = PIXAZO.name

SANDBOX = "sandbox"
"""What a ledger says in the place of a service where a sandbox only pretended to be paid."""


MOST_HERE = 1000
"""Edits that one process may have in flight."""

LOCAL, RAY = "local", "ray"
"""Where a run's edits are made: in this process, or by a fleet on Ray."""


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One run or check. Durations are in seconds.

    `service` names the door that is used, the sandbox's of that kind with `sandbox`; `gateway` and
    `price` are those of that door. `gateway` is empty where nobody told one and none is
    documented: only a sandbox needs none.
    `at` and `until` are the next moments, in seconds since the epoch, at which the run's hours
    begin and end. `address` is that of the fleet's Ray; None: one of its own.
    """

    source: Place
    out: Place | None = None
    instruction: str | None = None
    negative_prompt: str = ""
    watermark: bool = False
    name: Template | None = None
    service: str = DEFAULT_SERVICE
    gateway: str = PIXAZO.endpoint or ""
    sandbox: bool = False
    ledger: Path | None = None
    concurrency: int = DEFAULT_CONCURRENCY
    rate: float = DEFAULT_RATE
    price: MicroUSD = PIXAZO.price
    caps: Caps = msgspec.field(default_factory=Caps)
    at: float | None = None
    until: float | None = None
    max_duration: float | None = None
    attempts: int = DEFAULT_ATTEMPTS
    timeout: float = DEFAULT_TIMEOUT
    limit: int | None = None
    canary: int = 0
    asked: Asked = msgspec.field(default_factory=Asked)
    strict: bool = False
    overwrite: bool = False
    sidecar: bool = False
    embed: bool = False
    engine: str = LOCAL
    address: str | None = None

    @property
    def door(self) -> Door:
        """The door that is used."""
        return DOORS[self.service]

    @property
    def ledger_service(self) -> str:
        """What is paid, as the ledger records it."""
        return SANDBOX if self.sandbox else self.service

    @property
    def out_of_hours(self) -> bool:
        """Whether the run was started outside its hours: they begin before they end next."""
        return self.at is not None and self.until is not None and self.at < self.until

    @property
    def out_folder(self) -> Place:
        """OUT, absolute: as told, or `out/<name of the source>`."""
        if self.out is not None:
            return absolute(self.out)
        name = absolute(self.source).stem or "all"
        return Path.cwd() / "out" / (f"{name}-{SANDBOX}" if self.sandbox else name)


def our_variables() -> dict[str, str]:
    """The environment's variables that begin as ours do, by their whole names; never the key."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("QWENBATCH_") and name != KEY_VARIABLE
    }


def api_key(door: Door) -> SubscriptionKey | None:
    """The key, from QWENBATCH_API_KEY or the file that QWENBATCH_API_KEY_FILE names.

    None where there is none and the door needs none. Raises UsageError, which never shows it, if
    one is missing, or what is there can be none.
    """
    path = os.environ.get("QWENBATCH_API_KEY_FILE")
    key = os.environ.get(KEY_VARIABLE, "")
    if not key and path:
        try:
            key = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"QWENBATCH_API_KEY_FILE names {path}, which cannot be read: {error}",
                "name a file that holds the key alone",
            ) from error
        if not key.strip():
            raise UsageError(
                f"QWENBATCH_API_KEY_FILE names {path}, which is empty",
                "name a file that holds the key alone",
            )
    if not key.strip():
        if not door.key.needed:
            return None
        raise UsageError(
            "there is no key for the gateway",
            "export QWENBATCH_API_KEY=…, or name its file in QWENBATCH_API_KEY_FILE;"
            " or try it out free of charge with --sandbox",
        )
    return SubscriptionKey(key.strip())
