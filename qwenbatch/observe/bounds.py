"""Why there are not more edits a second: what the next start waits for."""

from __future__ import annotations

from enum import StrEnum


class Bound(StrEnum):
    """What holds the next start back, the weightiest first."""

    GATE = "gate"
    """The gateway asked for a pause."""
    PLACEMENT = "placement"
    """So many paid results are on their way that they come first."""
    CAPS = "caps"
    """What is in flight may use up what the caps leave."""
    RETRIES = "retries"
    """All that is left waits to be sent again."""
    CONCURRENCY = "concurrency"
    """As many are in flight as may be."""
    THROTTLE = "throttle"
    """The gateway bears less than the rate that was told."""
    RATE = "rate"
    """The rate that was told."""


def bound_of(
    *,
    gate: float,
    placing: int,
    affordable: int | None,
    to_start: int,
    in_flight: int,
    concurrency: int,
    throttled: bool,
) -> Bound | None:
    """What bounds a run; None if nothing is left to be started.

    `gate` is in seconds, `placing` counts edits that are paid and not in place, `affordable` those
    that the caps still allow (None without caps), `to_start` those that were not sent yet and do
    not wait to be sent again either, `concurrency` the most in flight.
    """
    if gate > 0:
        return Bound.GATE
    if placing > 2 * concurrency:
        return Bound.PLACEMENT
    if affordable is not None and affordable <= 0:
        return Bound.CAPS
    if to_start <= 0:
        return Bound.RETRIES
    if in_flight >= concurrency:
        return Bound.CONCURRENCY
    return Bound.THROTTLE if throttled else Bound.RATE
