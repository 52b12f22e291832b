"""Plays a variant on a connection: answers, breaks off, holds on."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

from qwenbatch.sandbox.variants import Conduct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qwenbatch.sandbox.variants import Answer

HOLD_SECONDS = 900.0
EARLY_ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_SHORT_BY_BYTES = 1_000


async def play(  # noqa: PLR0911 - one return for each conduct
    request: web.Request,
    conduct: Conduct,
    answer: Answer,
) -> web.StreamResponse:
    """Does to this request's connection what `conduct` says, with `answer` where one is sent."""
    match conduct:
        case Conduct.ANSWER:
            return whole_answer(answer.status, answer.body, answer.headers)
        case Conduct.RESET_BEFORE_BODY | Conduct.RESET:
            return reset(request)
        case Conduct.RESET_IN_BODY:
            await _first_piece(request)
            return reset(request)
        case Conduct.CLOSE:
            return _close(request)
        case Conduct.HALF_HEAD:
            return _close(request, b"HTTP/1.1 200 OK\r\nContent-Type: applica")
        case Conduct.SHORT_BODY:
            return await short_answer(
                request,
                answer.status,
                answer.body,
                answer.headers,
                promised=len(answer.body) + _SHORT_BY_BYTES,
            )
        case Conduct.NEVER:
            await until_gone(request, HOLD_SECONDS)
            return reset(request)
        case Conduct.EARLY:
            return await _early(request, answer)


def whole_answer(
    status: int,
    body: bytes,
    headers: Iterable[tuple[str, str]] = (),
) -> web.Response:
    """An ordinary answer."""
    return web.Response(status=status, body=body, headers=list(headers))


async def short_answer(
    request: web.Request,
    status: int,
    body: bytes,
    headers: Iterable[tuple[str, str]],
    *,
    promised: int,
) -> web.StreamResponse:
    """Sends `body` under a Content-Length of `promised`, which is more, and closes."""
    response = web.StreamResponse(status=status, headers=list(headers))
    response.content_length = promised
    await response.prepare(request)
    await response.write(body)
    response.force_close()
    if request.transport is not None:
        request.transport.close()
    return response


def reset(request: web.Request) -> web.StreamResponse:
    """Breaks the connection off with a reset, as a crashed peer or a firewall does."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        if connection is not None:
            at_once = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        request.transport.abort()
    return _no_answer()


async def until_gone(request: web.Request, seconds: float) -> None:
    """Returns once the client has gone, or after `seconds`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    # The server tells a handler that has read its body nothing of the client's leaving.
    while request.transport is not None and not request.transport.is_closing():
        if loop.time() >= end:
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _close(request: web.Request, last_words: bytes = b"") -> web.StreamResponse:
    if request.transport is not None:
        if last_words:
            request.transport.write(last_words)
        request.transport.close()
    return _no_answer()


def _no_answer() -> web.StreamResponse:
    """What the server is given to send over a connection that is closed already."""
    response = web.Response()
    response.force_close()
    return response


async def _first_piece(request: web.Request) -> None:
    try:
        await request.content.readany()
    except (ConnectionError, web.RequestPayloadError):
        return


async def _early(request: web.Request, answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=list(answer.headers))
    response.content_length = len(answer.body)
    response.force_close()
    await response.prepare(request)
    await response.write(answer.body)
    await response.write_eof()
    # Closing while the body still comes in would reset the connection, answer and all.
    await until_gone(request, EARLY_ANSWER_SECONDS)
    return reset(request)
