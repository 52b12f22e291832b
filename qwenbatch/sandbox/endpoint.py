"""The edit endpoint: one POST from its arrival to its answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, assert_never
from uuid import uuid4

from qwenbatch.sandbox import shapes
from qwenbatch.sandbox.delivery import RESULTS_PATH
from qwenbatch.sandbox.door import BROKEN_OFF, BrokenOffError, Door, whole_body
from qwenbatch.sandbox.faults import RESULT_KINDS, FaultKind
from qwenbatch.sandbox.front import Result
from qwenbatch.sandbox.order import InlineImage, LinkedImage, fingerprint
from qwenbatch.sandbox.refusal import RefusalError
from qwenbatch.sandbox.source_fetch import fetch_source
from qwenbatch.sandbox.wire import play, whole_answer
from qwenbatch.sandbox.workshop import make_edit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import ClientSession, web
    from aiohttp.typedefs import Handler

    from qwenbatch.sandbox.bookkeeping import Bookkeeper, Post
    from qwenbatch.sandbox.delivery import Delivery
    from qwenbatch.sandbox.fault_plan import FaultPlan
    from qwenbatch.sandbox.faults import Fault
    from qwenbatch.sandbox.front import Front
    from qwenbatch.sandbox.order import Order
    from qwenbatch.sandbox.settings import SandboxSettings
    from qwenbatch.sandbox.shelf import Shelf
    from qwenbatch.sandbox.workshop import MadeEdit, Workshop

EDITED = "edited"

NO_PICTURE = b"\x89PNG\r\n\x1a\n"
"""What a fault shows for a picture that was not made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the endpoint works with; `base_url` is asked for when a result's URL is needed."""

    settings: SandboxSettings
    books: Bookkeeper
    plan: FaultPlan
    workshop: Workshop
    shelf: Shelf
    delivery: Delivery
    sources: ClientSession
    base_url: Callable[[], str]


class Endpoint:
    """Answers POSTs as the paid gateway does: strictly, and in its order of checks."""

    def __init__(self, parts: Parts) -> None:
        self._settings = parts.settings
        self._books = parts.books
        self._plan = parts.plan
        self._workshop = parts.workshop
        self._parts = parts
        self._door = Door(parts.settings.key, parts.settings.rate)
        self._latency = Random(parts.settings.seed)  # noqa: S311 - repeatable, not secret
        self._serving: set[asyncio.Task[object]] = set()

    async def close(self) -> None:
        """Stops what is still being served, also for clients that have gone."""
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    def behind(self, front: Front) -> Handler:
        """Answers POSTs at one of the doors."""

        async def post(request: web.Request) -> web.StreamResponse:
            return await self._post(front, request)

        return post

    async def _post(self, front: Front, request: web.Request) -> web.StreamResponse:
        """Answers one POST, and books it."""
        post = self._books.arrived(time.monotonic())
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
        try:
            return await self._answered(front, request, post)
        except RefusalError as refusal:
            self._end(post, refusal.outcome)
            body = front.refused(refusal) if refusal.body is None else refusal.body
            return whole_answer(refusal.status, body, (shapes.JSON_TYPE, *refusal.headers))
        except BrokenOffError:
            self._end(post, BROKEN_OFF)
            return whole_answer(400, b"")
        finally:
            self._books.left()
            if task is not None:
                self._serving.discard(task)

    async def _answered(
        self,
        front: Front,
        request: web.Request,
        post: Post,
    ) -> web.StreamResponse:
        self._door.check(front, request, time.monotonic())
        drawn = self._plan.draw()
        early = self._plan.before_body(drawn)
        if early is not None:
            return await self._misbehave(front, request, post, early, None)
        front.check_headers(request.headers)
        body = await whole_body(request, front.most_bytes)
        order, key = await self._workshop.run(_understood, front, body, request.headers)
        self._books.asked(post, key, order)
        fault = self._plan.after_body(drawn, order.instruction)
        if fault is None or fault.kind in RESULT_KINDS:
            result = await self._edited(order, post, fault)
            told = await self._workshop.run(front.success, order, result, fault)
            self._end(post, EDITED if fault is None else fault.kind)
            return whole_answer(200, told, (shapes.JSON_TYPE,))
        made = await self._edited(order, post, None) if fault.edit_is_made else None
        return await self._misbehave(front, request, post, fault, made)

    async def _edited(self, order: Order, post: Post, fault: Fault | None) -> Result:
        """Makes the edit, then bills it: the body has arrived whole, so nobody can stop it."""
        await asyncio.sleep(self._latency.uniform(*self._settings.latency))
        made = await self._made(order)
        request_id = str(uuid4())
        name = f"{request_id}.png"
        await self._workshop.run(self._parts.shelf.put, name, made.png)
        self._parts.shelf.remember(name)
        if fault is not None:
            self._parts.delivery.spoil(name, fault)
        self._books.billed(post, request_id)
        return Result(
            request_id=request_id,
            url=f"{self._parts.base_url()}{RESULTS_PATH}{name}",
            png=made.png,
            width=made.width,
            height=made.height,
        )

    async def _made(self, order: Order) -> MadeEdit:
        match order.image:
            case InlineImage(data=data, format=said_format):
                source: tuple[bytes, str | None] = (data, said_format)
            case LinkedImage(url=url):
                source = (await fetch_source(self._parts.sources, url), None)
            case _:
                assert_never(order.image)
        return await self._workshop.run(
            make_edit,
            *source,
            order.applied_instruction,
            watermark=order.watermark,
        )

    async def _misbehave(
        self,
        front: Front,
        request: web.Request,
        post: Post,
        fault: Fault,
        made: Result | None,
    ) -> web.StreamResponse:
        await asyncio.sleep(fault.delay)
        variant = self._plan.variant(fault, front)
        url = f"{self._parts.base_url()}{RESULTS_PATH}none.png" if made is None else made.url
        picture = NO_PICTURE if made is None else made.png
        answer = variant.answer(result_url=url, now=time.time(), picture=picture)
        self._end(post, fault.kind)
        return await play(request, variant.conduct, answer)

    def _end(self, post: Post, outcome: str) -> None:
        self._books.ended(
            post,
            str(outcome),
            throttled=outcome == FaultKind.THROTTLED,
            broken_off=outcome == BROKEN_OFF,
        )


def _understood(front: Front, body: bytes, headers: Mapping[str, str]) -> tuple[Order, str]:
    order = front.read(body, headers)
    return order, fingerprint(order)
