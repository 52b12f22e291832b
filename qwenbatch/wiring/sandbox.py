"""Starts the sandbox as a server of its own."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import anyio

from qwenbatch.errors import UsageError
from qwenbatch.sandbox import SandboxError, SandboxSettings, parse_share, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


async def serve_sandbox(
    *,
    host: str,
    port: int,
    key: str,
    latency: tuple[float, float],
    rate: float | None,
    fail: Sequence[str],
    seed: int,
    state: Path | None,
    announce: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM; UsageError where a setting makes no sense."""
    try:
        settings = SandboxSettings(
            host=host,
            port=port,
            key=key,
            latency=latency,
            rate=rate,
            shares=dict(parse_share(text) for text in fail),
            seed=seed,
            state=state,
        )
    except ValueError as error:
        raise UsageError(f"the sandbox cannot be set up so: {error}") from error
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_on_signal, group.cancel_scope)
            await serve(settings, announce=announce)
    except* SandboxError as errors:
        raise UsageError(f"the sandbox cannot start: {errors.exceptions[0]}") from errors


async def _stop_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
