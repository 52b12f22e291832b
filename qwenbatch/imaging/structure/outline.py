"""What the walk of a format's structure finds out."""

from __future__ import annotations

import msgspec


class Outline(msgspec.Struct, frozen=True):
    """A whole picture's outline; `width` and `height` in pixels as stored, not yet turned.

    `plain` says that the gateway takes its colours as they are: RGB or grey of 8 bits.
    """

    width: int
    height: int
    plain: bool
    alpha: bool = False
    orientation: int = 1
