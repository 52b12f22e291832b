"""What happened at the sandbox, as a value that tests hold against the ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_STARTS = 100_000
"""How many arrivals are kept, the last ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditBook:
    """What happened to one edit.

    `image` is a URL, or the SHA-256 of the source in hexadecimal; `instruction` its first 80
    characters; the last two count characters that the service ignored.
    """

    posts: int
    billed: int
    instruction: str
    image: str
    instruction_characters_cut: int
    negative_prompt_characters_cut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """All that happened, counted.

    `posts` counts every POST that arrived at the endpoint, also those refused or broken off;
    `billed` the edits made; `broken_off` the POSTs whose body never arrived whole; `throttled`
    those refused by the rate or a fault of that kind; `leaks` requests for results, or for the
    place that a redirect names, that carried the subscription key. `edits` goes by fingerprint
    and lacks the POSTs whose body was not read. `outcomes` counts POSTs by what they got, and
    `requests` maps a request id to the fingerprint that was billed under it, for the last
    100,000. `starts` are the arrivals, in seconds of the machine's monotonic clock.
    """

    posts: int
    billed: int
    leaks: int
    throttled: int
    broken_off: int
    in_flight: int
    max_in_flight: int
    edits: Mapping[str, EditBook]
    outcomes: Mapping[str, int]
    requests: Mapping[str, str]
    starts: tuple[float, ...]
    results_fetched: Mapping[str, int]

    def as_json(self) -> dict[str, object]:
        """The same, ready for JSON."""
        return asdict(self)
