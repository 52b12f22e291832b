"""`qwenbatch sandbox`: a gateway of one's own, for trying things out and for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qwenbatch.errors import UsageError


def sandbox(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0)] = 0,
    key: Annotated[str, typer.Option(help="The only key that is let in.")] = "sandbox",
    latency: Annotated[
        str,
        typer.Option(help="Seconds that an edit takes, or the least and the most: 10-60."),
    ] = "0",
    rate: Annotated[
        float | None,
        typer.Option(help="Requests a second that are accepted.", show_default=False),
    ] = None,
    fail: Annotated[
        list[str] | None,
        typer.Option(help="A share of requests that fails so: gave_up=0.05.", metavar="KIND=SHARE"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Makes what is drawn by chance repeatable.")] = 0,
    state: Annotated[
        Path | None,
        typer.Option(help="A folder that keeps results and books.", show_default=False),
    ] = None,
) -> None:
    """Serve a sandbox: it keeps the gateway's contract, costs nothing, misbehaves on demand.

    Example: qwenbatch sandbox --port 8080 --latency 2-5 --fail throttled=0.1
    """
    import anyio  # noqa: PLC0415 - start-up

    from qwenbatch.wiring.sandbox import serve_sandbox  # noqa: PLC0415 - start-up

    try:
        least, _, most = latency.partition("-")
        seconds = (float(least), float(most or least))
    except ValueError:
        raise UsageError(
            f"--latency: {latency!r} is neither seconds nor a range of them",
            "write 2, or 10-60",
        ) from None
    try:
        anyio.run(
            lambda: serve_sandbox(
                host=host,
                port=port,
                key=key,
                latency=seconds,
                rate=rate,
                fail=fail or (),
                seed=seed,
                state=state,
                announce=typer.echo,
            ),
        )
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
