"""How large a result is."""

from __future__ import annotations

from math import sqrt

_PIXELS = 1_048_576
_STEP = 32


def result_size(width: int, height: int) -> tuple[int, int]:
    """Width and height in pixels of the result for a source of this size.

    About 1,048,576 pixels in the source's shape, sides in steps of 32: it reproduces the API
    page's 1248×832 for 3:2 and a reported 8000×6000 → 1184×896.
    """
    shape = width / height
    ideal_width = sqrt(_PIXELS * shape)
    ideal_height = ideal_width / shape
    return _stepped(ideal_width), _stepped(ideal_height)


def _stepped(side: float) -> int:
    return max(_STEP, round(side / _STEP) * _STEP)
