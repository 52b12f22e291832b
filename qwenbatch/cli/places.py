"""Places as a command's arguments name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.errors import UsageError
from qwenbatch.wiring.places import place_of

if TYPE_CHECKING:
    from qwenbatch.wiring.places import Place


def place(text: str) -> Place:
    """The folder or the place in a store that is named; UsageError for a URL that is none."""
    try:
        return place_of(text)
    except ValueError as error:
        raise UsageError(str(error), "write s3://bucket/key as the store lists it") from None
