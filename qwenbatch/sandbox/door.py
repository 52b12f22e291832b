"""What is checked before a request's body is understood: key, rate, length."""

from __future__ import annotations

import asyncio
from itertools import count
from math import ceil
from typing import TYPE_CHECKING

from aiohttp import web

from qwenbatch.sandbox.rate import RateGate
from qwenbatch.sandbox.refusal import refused_plainly

if TYPE_CHECKING:
    from qwenbatch.sandbox.front import Front

BODY_SECONDS = 300.0
BROKEN_OFF = "broken_off"


class BrokenOffError(Exception):
    """The body will never be whole."""


class Door:
    """Lets in who shows the key, at no more than the rate, through whichever front."""

    def __init__(self, key: str, rate: float | None) -> None:
        self._key = key
        self._gate = RateGate(rate)
        self._throttle_turn = count()

    def check(self, front: Front, request: web.Request, now: float) -> None:
        """Refuses a request without the key, or one that comes too soon.

        `now` is in seconds of the monotonic clock.
        """
        front.check_key(request.headers, self._key)
        wait = self._gate.wait(now)
        if wait:
            raise front.too_soon(next(self._throttle_turn), max(1, ceil(wait)))


async def whole_body(request: web.Request, most: int) -> bytes:
    """The body; RefusalError if it is too large or too slow, BrokenOffError if it broke off."""
    too_large = refused_plainly(
        413,
        "Payload too large",
        f"A request's body has {most} bytes at most.",
        outcome="refused_invalid",
    )
    if (request.content_length or 0) > most:
        raise too_large
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large from None
    except TimeoutError:
        raise refused_plainly(
            408,
            "Request timed out",
            "The request's body did not arrive in time.",
            outcome=BROKEN_OFF,
        ) from None
    except (ConnectionError, web.RequestPayloadError, web.HTTPException):
        raise BrokenOffError from None
    if len(body) > most:
        raise too_large
    return body
