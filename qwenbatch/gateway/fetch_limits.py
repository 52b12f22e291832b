"""The bounds of one fetch."""

from __future__ import annotations

import msgspec


class FetchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one fetch. Sizes are in bytes, times in seconds.

    At least `window_bytes` must come in each `window`; `redirects` is how many are followed.
    """

    size: int = 64 * 1024 * 1024
    total: float = 120.0
    connect: float = 10.0
    window: float = 15.0
    window_bytes: int = 150 * 1024
    redirects: int = 5
