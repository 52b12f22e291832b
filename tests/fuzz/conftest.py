"""Bytes that nobody foresaw, for as long as FUZZ_SECONDS says, shared out among the targets.

Whatever comes in, what comes out is a value or one of our errors, in bounded time and memory.
"""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = float(os.environ.get("FUZZ_SECONDS", "600"))
SEED = int(os.environ.get("FUZZ_SEED", time.time_ns()))
ROUND = 50
"""Examples after which another seed is taken."""

MEMORY = 6 * 1024**3
"""The most address space, in bytes: beyond it a MemoryError is the finding."""

INTEGERS = (0, 1, 2, 7, 255, 256, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
TOKENS = (
    *(number.to_bytes(4, order) for number in INTEGERS for order in ("big", "little")),
    *(number.to_bytes(2, "big") for number in INTEGERS if number < 65536),
    b"\0",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of some bytes: at `place` (a share of them), `cut` are replaced by `by`."""

    place: float
    cut: int
    by: bytes

    def __call__(self, data: bytes) -> bytes:
        start = int(self.place * len(data))
        return data[:start] + self.by + data[start + self.cut :]


@dataclass(frozen=True, slots=True)
class Move:
    """A piece of the bytes (shares of them) is put in somewhere else, or out if `to` is None."""

    start: float
    length: float
    to: float | None

    def __call__(self, data: bytes) -> bytes:
        first = int(self.start * len(data))
        piece = data[first : first + int(self.length * 4096) + 1]
        if self.to is None:
            return data[:first] + data[first + len(piece) :]
        there = int(self.to * len(data))
        return data[:there] + piece + data[there:]


@dataclass(frozen=True, slots=True)
class End:
    """The bytes end after this share of them."""

    keep: float

    def __call__(self, data: bytes) -> bytes:
        return data[: int(self.keep * len(data))]


_SHARES = st.floats(0, 1, allow_nan=False)
# Squared or cubed, so that most changes fall where the structure is.
_PLACES = st.one_of(_SHARES, _SHARES.map(lambda share: share**3), _SHARES.map(lambda x: x**6))


def changes(tokens: tuple[bytes, ...] = TOKENS, *, most: int = 8) -> st.SearchStrategy[Any]:
    """Lists of changes, to be made in turn; most often some bytes are overwritten."""
    texts = st.one_of(st.sampled_from(tokens), st.binary(min_size=1, max_size=8))
    overwrite = st.builds(lambda place, by: Change(place, len(by), by), _PLACES, texts)
    splice = st.builds(Change, _PLACES, st.integers(0, 64), texts)
    move = st.builds(Move, _PLACES, _SHARES, st.one_of(st.none(), _PLACES))
    one = st.one_of(overwrite, overwrite, splice, move, st.builds(End, _SHARES))
    return st.lists(one, min_size=1, max_size=most)


def changed(data: bytes, steps: list[Callable[[bytes], bytes]]) -> bytes:
    """The bytes after all changes."""
    for step in steps:
        data = step(data)
    return data


@dataclass(slots=True)
class Fuzz:
    """Tries examples until a target's share of the time is over."""

    seconds: float
    tried: int = field(default=0)

    def __call__(self, strategy: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
        """A failure is shrunk by hypothesis and told with its seed."""
        ends, number = time.monotonic() + self.seconds, SEED
        while time.monotonic() < ends:
            number += 1
            self._round(strategy, check, number, ends)

    def _round(
        self,
        strategy: st.SearchStrategy[Any],
        check: Callable[[Any], None],
        number: int,
        ends: float,
    ) -> None:
        failed = False

        @seed(number)
        @settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def once(value: Any) -> None:
            nonlocal failed
            if self.tried and time.monotonic() > ends and not failed:
                return
            self.tried += 1
            try:
                check(value)
            except BaseException:
                failed = True
                raise

        once()


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Iterator[Fuzz]:
    """This target's share of the time; the targets of one process share it evenly."""
    targets = sum("fuzz" in item.keywords for item in request.session.items)
    fuzz = Fuzz(SECONDS / max(1, targets))
    yield fuzz
    print(f"{request.node.name}: {fuzz.tried:,} examples")  # noqa: T201 - shown by -rP


@pytest.fixture(autouse=True, scope="session")
def bounded_memory() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
