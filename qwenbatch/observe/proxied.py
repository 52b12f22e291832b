"""What a person is told of a run that goes through a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.observe.plain_text import plain

if TYPE_CHECKING:
    from qwenbatch.core.events import Proxied

WEAKER = (
    "only a proxy sees where it connects to: that no result comes from a private address is held"
    " for literal addresses, and for names by what they mean on this machine"
)
"""What a proxy does to the rule on the addresses of results."""


def proxied(event: Proxied) -> str:
    """The sentence for the event."""
    names = " and ".join(plain(each) for each in event.proxies)
    return f"through {names}; {WEAKER}"
