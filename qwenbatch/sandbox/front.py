"""What tells one of the sandbox's doors from another; what lies behind them is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.sandbox.faults import Fault
    from qwenbatch.sandbox.order import Order
    from qwenbatch.sandbox.refusal import RefusalError
    from qwenbatch.sandbox.variants import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """An edit that was made: its picture, where it lies, and what is told of it."""

    request_id: str
    url: str
    png: bytes
    width: int
    height: int


class Front(Protocol):
    """One door: where it is, and how requests and answers are written there.

    `most_bytes` is the longest body that it takes; `variants` are the ways in which a fault comes
    there. Headers are looked up without regard to case.
    """

    name: str
    path: str
    most_bytes: int
    variants: tuple[Variant, ...]

    def check_key(self, headers: Mapping[str, str], key: str) -> None:
        """RefusalError unless the key is shown, as it is to be."""

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """RefusalError unless the documented headers are there."""

    def read(self, body: bytes, headers: Mapping[str, str]) -> Order:
        """What a body asks for; RefusalError if it is not exactly as documented."""

    def success(self, order: Order, result: Result, fault: Fault | None) -> bytes:
        """The answer for an edit; `fault` sits on its result."""

    def refused(self, refusal: RefusalError) -> bytes:
        """The answer for a refused request."""

    def too_soon(self, turn: int, seconds: int) -> RefusalError:
        """The refusal of a request over the rate: the `turn`th; `seconds` until one is taken."""
