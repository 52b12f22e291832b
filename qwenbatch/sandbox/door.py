"""What is checked before a request's body is understood: key, rate, headers, length."""

from __future__ import annotations

import asyncio
from itertools import count
from math import ceil

from aiohttp import web

from qwenbatch.sandbox import shapes
from qwenbatch.sandbox.delivery import KEY_HEADER
from qwenbatch.sandbox.faults import FaultKind
from qwenbatch.sandbox.rate import RateGate
from qwenbatch.sandbox.refusal import RefusalError, invalid_request, refused_plainly

MAX_BODY_BYTES = 12_000_000
BODY_SECONDS = 300.0
BROKEN_OFF = "broken_off"


class BrokenOffError(Exception):
    """The body will never be whole."""


class Door:
    """Lets in who shows the key, at no more than the rate."""

    def __init__(self, key: str, rate: float | None) -> None:
        self._key = key
        self._gate = RateGate(rate)
        self._throttle_turn = count()

    def check_key(self, request: web.Request) -> None:
        """Refuses a request without the key, or with another one."""
        key = request.headers.get(KEY_HEADER)
        if key == self._key:
            return
        message = (
            "Access denied due to missing subscription key. "
            "Make sure to include subscription key when making requests to an API."
            if not key
            else "Access denied due to invalid subscription key. "
            "Make sure to provide a valid key for an active subscription."
        )
        raise RefusalError(
            outcome="refused_denied",
            status=401,
            body=shapes.gateway_body(401, message),
        )

    def check_rate(self, now: float) -> None:
        """Refuses a request that comes too soon; `now` in seconds of the monotonic clock."""
        wait = self._gate.wait(now)
        if not wait:
            return
        if next(self._throttle_turn) % 2:
            raise refused_plainly(
                429,
                "Rate limit exceeded, please retry later",
                "Too many requests.",
                outcome=FaultKind.THROTTLED,
            )
        seconds = max(1, ceil(wait))
        message = f"Rate limit is exceeded. Try again in {seconds} seconds."
        raise RefusalError(
            outcome=FaultKind.THROTTLED,
            status=429,
            body=shapes.gateway_body(429, message),
            headers=(("Retry-After", str(seconds)),),
        )


def check_headers(request: web.Request) -> None:
    """Refuses a request without the documented headers."""
    if request.content_type != "application/json":
        raise refused_plainly(
            415,
            "Invalid request parameters",
            "Content-Type must be application/json.",
            outcome="refused_invalid",
        )
    if request.headers.get("Cache-Control", "").strip().lower() != "no-cache":
        raise invalid_request("Cache-Control must be no-cache.")


async def whole_body(request: web.Request) -> bytes:
    """The body; RefusalError if it is too large or too slow, BrokenOffError if it broke off."""
    too_large = refused_plainly(
        413,
        "Payload too large",
        f"A request's body has {MAX_BODY_BYTES} bytes at most.",
        outcome="refused_invalid",
    )
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise too_large
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
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
