"""Which of our columns a name is, or is so like that it was surely meant."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache

from qwenbatch.manifest.fields import COLUMNS

_ALIKE = 0.8
"""The ratio from which a name is a near miss: `imgae` is one, `image_url` and `imagesize` none."""

_SHORT_CHARACTERS = 4
"""Up to this length ratios say nothing (`idx` is as like `id` as `ids`): plurals alone are near."""

_LONGEST_CHARACTERS = 40
"""A longer name cannot reach the ratio, for our longest column has 15 characters."""

_CACHED_NAMES = 4_096
_SYNONYMS = {"prompt": "instruction", "out": "output"}
"""Names that say one of our columns in another word; no ratio finds them."""

_blank_or_dash = re.compile(r"[\s-]")


def folded(name: str) -> str:
    """A name as it is compared: without case or outer blanks, inner blanks and dashes as `_`."""
    return _blank_or_dash.sub("_", name.strip().casefold())


def column_meant(name: str) -> str | None:
    """The column of ours that a name equals when folded, or is a near miss of, if any."""
    return _column_meant(name) if len(name) <= _LONGEST_CHARACTERS else None


@lru_cache(maxsize=_CACHED_NAMES)
def _column_meant(name: str) -> str | None:
    plain = folded(name)
    if plain in COLUMNS:
        return plain
    if plain in _SYNONYMS:
        return _SYNONYMS[plain]
    ratio, column = max((_ratio(plain, column), column) for column in COLUMNS)
    return column if ratio >= _ALIKE else None


def _ratio(plain: str, column: str) -> float:
    if len(column) <= _SHORT_CHARACTERS:
        return float(plain == column + "s")
    # A ratio depends on which text comes first; a transposed letter is to count in either order.
    pairs = ((plain, column), (column, plain))
    return max(SequenceMatcher(None, a, b, autojunk=False).ratio() for a, b in pairs)


def unknown_column(shown: str, column: str) -> str:
    """That a name is none of ours, though like one; `shown` is the name in quotation marks."""
    return f'the column {shown} is not known: did you mean "{column}"?'


RENAME = "rename it, or choose a name that is less like it"
"""What to do about an unknown column that is like one of ours."""
