"""The sandbox's own routes, which the paid service does not have: faults, books, health."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from qwenbatch.sandbox import shapes
from qwenbatch.sandbox.faults import Fault, fault_kind
from qwenbatch.sandbox.wire import whole_answer

if TYPE_CHECKING:
    from qwenbatch.sandbox.bookkeeping import Bookkeeper
    from qwenbatch.sandbox.delivery import Delivery
    from qwenbatch.sandbox.fault_plan import FaultPlan

_TYPES: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "variant": (str, type(None)),
    "times": (int, type(None)),
    "match": (str, type(None)),
    "billed": (bool, type(None)),
    "delay": (int, float),
}


def read_fault(body: bytes) -> Fault:
    """The fault that this JSON object describes; ValueError says what is wrong with it."""
    given = json.loads(body)
    if not isinstance(given, dict):
        raise ValueError("a fault is a JSON object")  # noqa: TRY004 - one error for all of them
    for name, value in given.items():
        if name not in _TYPES:
            raise ValueError(f"{name!r} is no field of a fault; known are: {', '.join(_TYPES)}")
        if not isinstance(value, _TYPES[name]) or (name != "billed" and isinstance(value, bool)):
            raise ValueError(f"{name}={value!r} is not of the right type")
    if "kind" not in given:
        raise ValueError("a fault needs a kind")
    return Fault(**{**given, "kind": fault_kind(given["kind"])})


class Control:
    """Scripts faults and shows the books over HTTP."""

    def __init__(self, *, books: Bookkeeper, plan: FaultPlan) -> None:
        self._books = books
        self._plan = plan

    async def add_fault(self, request: web.Request) -> web.StreamResponse:
        """POST /faults: queues one fault."""
        try:
            self._plan.script(read_fault(await request.read()))
        except ValueError as error:
            return _json(400, {"error": str(error)})
        return _json(200, {"queued": True})

    async def clear_faults(self, _request: web.Request) -> web.StreamResponse:
        """DELETE /faults: forgets those that are queued."""
        return _json(200, {"cleared": self._plan.clear()})

    async def show_books(self, _request: web.Request) -> web.StreamResponse:
        """GET /books."""
        return _json(200, self._books.snapshot().as_json())

    async def health(self, _request: web.Request) -> web.StreamResponse:
        """GET /health."""
        return _json(200, {"ok": True})


def _json(status: int, value: object) -> web.Response:
    return whole_answer(status, shapes.as_json(value), (shapes.JSON_TYPE,))


def routes_of(*, control: Control, delivery: Delivery, results_path: str) -> list[web.RouteDef]:
    """The routes beside the edit endpoint."""
    return [
        web.get(f"{results_path}{{name}}", delivery.fetch, allow_head=False),
        web.post("/faults", control.add_fault),
        web.delete("/faults", control.clear_faults),
        web.get("/books", control.show_books, allow_head=False),
        web.get("/health", control.health, allow_head=False),
    ]
