"""A gateway with a rate and a latency, that tells nobody when to come back.

`python -m tests.benchmarks.limited_gateway RESULT LEAST MOST [RATE]` prints its port. It accepts
at most RATE requests in any window of one second and refuses others with a bare 429; an edit
takes LEAST to MOST seconds; RESULT is the file that every result is. `GET /books` says what came.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import deque
from itertools import count
from pathlib import Path

from aiohttp import web

_MOST_BODY = 16 * 1024 * 1024


class Gateway:
    """The endpoint, the results and the books."""

    def __init__(
        self,
        result: bytes,
        latency: tuple[float, float],
        rate: int | None,
    ) -> None:
        self._result = result
        self._latency = latency
        self._rate = rate
        self._window: deque[float] = deque(maxlen=rate)
        self._numbers = count(1)
        self._draw = random.Random(7)  # noqa: S311 - latencies are no secret
        self._accepted: list[float] = []
        self._throttled = 0

    async def edit(self, request: web.Request) -> web.Response:
        """Answer a POST as the service does."""
        now = time.monotonic()
        await request.read()
        if self._rate is not None:
            if len(self._window) == self._rate and now - self._window[0] < 1.0:
                self._throttled += 1
                return web.json_response({"error": "Rate limit exceeded"}, status=429)
            self._window.append(now)
        self._accepted.append(now)
        await asyncio.sleep(self._draw.uniform(*self._latency))
        url = f"{request.url.origin()}/results/{next(self._numbers)}.png"
        content = [{"image": url}]
        choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        return web.json_response(
            {"status_code": 200, "request_id": "bench", "output": {"choices": [choice]}},
        )

    async def give(self, _: web.Request) -> web.Response:
        """A result."""
        return web.Response(body=self._result, content_type="image/png")

    async def books(self, _: web.Request) -> web.Response:
        """When requests were accepted, in seconds of one clock, and how many were not."""
        return web.json_response({"accepted": self._accepted, "throttled": self._throttled})


async def main(result: Path, least: float, most: float, rate: int | None) -> None:
    """Serve until killed."""
    gateway = Gateway(result.read_bytes(), (least, most), rate)  # noqa: ASYNC240 - not yet serving
    app = web.Application(client_max_size=_MOST_BODY)
    app.router.add_post("/edit", gateway.edit)
    app.router.add_get("/results/{name}", gateway.give)
    app.router.add_get("/books", gateway.books)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    words = sys.argv[1:]
    asyncio.run(
        main(
            Path(words[0]),
            float(words[1]),
            float(words[2]),
            int(words[3]) if len(words) > 3 else None,
        ),
    )
