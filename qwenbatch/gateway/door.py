"""What tells one way to the model from another: a door, all of it in one file of `doors/`.

Everything else about a request is the same for all of them: its body goes out in chunks, the last
of which is the trigger; its answer is read within bounds and judged by one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import msgspec

from qwenbatch.core.limits import Limits
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.verdicts import Rule
from qwenbatch.gateway.secret_header import SecretHeader

if TYPE_CHECKING:
    from qwenbatch.core.subscription_key import SubscriptionKey
    from qwenbatch.core.verdicts import Answer


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What an edit asks for, but for its picture."""

    instruction: str
    negative_prompt: str = ""
    watermark: bool = False
    take: int = 1


class Frame(msgspec.Struct, frozen=True):
    """A request's body around its picture: what goes before it, and behind it, the trigger.

    No server may be able to make an edit of a body that lacks its `tail`.
    """

    head: bytes
    tail: bytes
    content_type: str


class Framing(Protocol):
    """How a door writes a request."""

    def __call__(self, order: Order, media_type: str) -> Frame:
        """The body around a picture of this MIME type; it is empty for a URL.

        Raises ValueError if a text holds lone surrogates, which no body can carry.
        """


class Reading(Protocol):
    """How a door reads an answer."""

    def __call__(
        self,
        *,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: float,
    ) -> Answer:
        """What an answer says; `now` is in seconds since the epoch. It never raises."""


class KeyHeader(msgspec.Struct, frozen=True, kw_only=True):
    """How a key is shown; `needed`: nobody is let in without one."""

    name: str
    scheme: str = ""
    needed: bool = True

    def shown(self, key: SubscriptionKey | None) -> dict[str, str]:
        """The header that shows a key; none if there is no key."""
        if key is None:
            return {}
        words = f"{self.scheme} {key.revealed}" if self.scheme else key.revealed
        return {self.name: SecretHeader(words)}


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """A way to the model.

    `endpoint` is the whole one that is documented; None where everybody has another. `price` is
    what an edit costs unless that is told. `rules` are those of its answers alone, which go before
    the shared ones. `pictures` names the fields of an answer's JSON that may hold the picture
    itself, in base64 or as a data URI, `picture_urls` those that hold its URL, or such a data URI.
    """

    name: str
    endpoint: str | None
    price: MicroUSD
    key: KeyHeader
    limits: Limits
    frame: Framing
    read: Reading
    rules: tuple[Rule, ...] = ()
    headers: Mapping[str, str] = msgspec.field(default_factory=lambda: MappingProxyType({}))
    pictures: frozenset[str] = frozenset()
    picture_urls: frozenset[str] = frozenset()

    @property
    def brings_pictures(self) -> bool:
        """Whether the picture itself may be in an answer."""
        return bool(self.pictures or self.picture_urls)

    @property
    def copies(self) -> int:
        """How often a result may lie on the disk at once: as it came in its answer, and staged."""
        return 2 if self.brings_pictures else 1
