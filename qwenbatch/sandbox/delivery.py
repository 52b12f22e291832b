"""Hands out results, as a public bucket does; with mischief where a fault asks for it."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from aiohttp import web

from qwenbatch.sandbox import shapes
from qwenbatch.sandbox.faults import FaultKind
from qwenbatch.sandbox.result_mischief import SpoiltResults, as_jpeg, corrupted, with_huge_header
from qwenbatch.sandbox.wire import short_answer, whole_answer

if TYPE_CHECKING:
    from qwenbatch.sandbox.bookkeeping import Bookkeeper
    from qwenbatch.sandbox.faults import Fault
    from qwenbatch.sandbox.shelf import Shelf
    from qwenbatch.sandbox.workshop import Workshop

KEY_HEADER = "Ocp-Apim-Subscription-Key"
RESULTS_PATH = "/results/qwen-image-edit/"
SLOW_SECONDS = 2.0
_SLOW_PIECES = 20
_DIRECT = "direct"


class Delivery:
    """Serves the results on the shelf."""

    def __init__(self, *, books: Bookkeeper, shelf: Shelf, workshop: Workshop) -> None:
        self._books = books
        self._shelf = shelf
        self._workshop = workshop
        self._spoilt = SpoiltResults()

    def spoil(self, name: str, fault: Fault) -> None:
        """The next fetches of this result meet `fault`."""
        self._spoilt.spoil(name, fault)

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """Answers a GET of a result; refuses one that shows the subscription key."""
        if shows_key(request):
            self._books.leaked()
            return _told(403, "The subscription key was shown to the bucket of results.")
        name = request.match_info["name"]
        png = await self._workshop.run(self._shelf.get, name)
        if png is None:
            return _told(404, "There is no such result.")
        self._books.fetched(name)
        fault = None if _DIRECT in request.query else self._spoilt.take(name)
        if fault is None:
            return _picture(png)
        return await self._spoilt_answer(request, fault, name, png)

    async def _spoilt_answer(  # noqa: C901, PLR0911 - one answer for each kind
        self,
        request: web.Request,
        fault: Fault,
        name: str,
        png: bytes,
    ) -> web.StreamResponse:
        if fault.delay and fault.kind is not FaultKind.RESULT_SLOW:
            await asyncio.sleep(fault.delay)
        match fault.kind:
            case FaultKind.RESULT_MISSING:
                return _told(404, "There is no such result.")
            case FaultKind.RESULT_FORBIDDEN:
                return _told(403, "This result may not be read.")
            case FaultKind.RESULT_LIMITED:
                return _told(429, "The bucket's rate limit is exceeded.")
            case FaultKind.RESULT_CUT:
                headers = (("Content-Type", "image/png"),)
                half = png[: len(png) // 2]
                return await short_answer(request, 200, half, headers, promised=len(png))
            case FaultKind.RESULT_CORRUPT:
                return _picture(corrupted(png))
            case FaultKind.RESULT_HTML:
                return whole_answer(200, shapes.html_body("One moment"), [shapes.HTML_TYPE])
            case FaultKind.RESULT_SLOW:
                return await _slowly(request, png, fault.delay or SLOW_SECONDS)
            case FaultKind.RESULT_REDIRECT:
                return whole_answer(302, b"", [("Location", f"{RESULTS_PATH}{name}?{_DIRECT}=1")])
            case FaultKind.RESULT_JPEG:
                return _picture(await self._workshop.run(as_jpeg, png), "image/jpeg")
            case FaultKind.RESULT_HUGE_HEADER:
                return _picture(with_huge_header(png))
            case _:
                raise ValueError(f"{fault.kind} does not sit on results")


def shows_key(request: web.Request) -> bool:
    """Whether a request shows a key, as one of the doors is shown it."""
    return KEY_HEADER in request.headers or "Authorization" in request.headers


def _picture(data: bytes, mime: str = "image/png") -> web.Response:
    etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
    return whole_answer(200, data, (("Content-Type", mime), ("ETag", etag)))


def _told(status: int, message: str) -> web.Response:
    return whole_answer(status, message.encode(), (("Content-Type", "text/plain"),))


async def _slowly(request: web.Request, png: bytes, seconds: float) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "image/png"})
    response.content_length = len(png)
    await response.prepare(request)
    piece = len(png) // _SLOW_PIECES + 1
    for start in range(0, len(png), piece):
        await response.write(png[start : start + piece])
        await asyncio.sleep(seconds / _SLOW_PIECES)
    return response
