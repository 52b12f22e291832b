"""How a sandbox is set up."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from qwenbatch.sandbox.faults import FaultKind

LOWEST_RATE = 0.001
HIGHEST_PORT = 65535


class SandboxError(Exception):
    """The sandbox cannot start: the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """How a sandbox is set up.

    `port` 0 takes a free one. `key` is the only subscription key that is let in. `latency` is the
    least and the most seconds that an edit takes, drawn evenly. `rate` is in accepted requests a
    second; None: unlimited. `shares` gives the kinds of fault their share of the POSTs, together
    at most 1. `seed` makes all draws repeatable.

    `state` is a folder for results, books and the last port, so that a sandbox started again
    serves earlier results and continues its books; None keeps the books in memory and the last
    2,000 results in a temporary folder.

    Raises ValueError where a value makes no sense.
    """

    host: str = "127.0.0.1"
    port: int = 0
    key: str = field(default="sandbox", repr=False)
    latency: tuple[float, float] = (0.0, 0.0)
    rate: float | None = None
    shares: Mapping[FaultKind, float] = field(default_factory=dict)
    seed: int = 0
    state: Path | None = None

    def __post_init__(self) -> None:
        least, most = self.latency
        if not (isfinite(most) and 0 <= least <= most):
            raise ValueError(f"latency {least} to {most}: give the least and the most seconds")
        if self.rate is not None and not (isfinite(self.rate) and self.rate >= LOWEST_RATE):
            raise ValueError(f"rate {self.rate}: at least {LOWEST_RATE} requests a second")
        if not 0 <= self.port <= HIGHEST_PORT:
            raise ValueError(f"port {self.port} is not within 0 to {HIGHEST_PORT}")
        if not self.key:
            raise ValueError("the sandbox's key is empty: no client could show it")
        self._check_shares()

    def _check_shares(self) -> None:
        for kind, share in self.shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{kind}={share}: a share is within 0 to 1")
        if sum(self.shares.values()) > 1 + 1e-9:
            raise ValueError("the shares of all faults together are more than 1")
