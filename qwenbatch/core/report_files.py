"""The names of a report's files in OUT.

The page and its pictures lie where everybody sees them: hidden folders are dropped by mailers and
archivers, and ours holds the ledger, which nobody should mail. Windows moves `NAME.html` and
`NAME_files` together. Results end in `.png`, or in `.png` and another extension: none can have
the name of one of these files.
"""

from __future__ import annotations

import re
from enum import IntEnum

PAGE = "report.html"
"""The report, relative to OUT."""

PICTURES = "report_files"
"""The folder of its pictures, relative to OUT."""


class CopySide(IntEnum):
    """The longest side, in pixels, of a picture's copies; smaller pictures are not made larger."""

    CARD = 320
    """In the list, two of them on a card."""
    VIEW = 1280
    """In the comparison: as large as most results are."""


_DIGEST_DIGITS = 32

_is_copy = re.compile(rf"[0-9a-f]{{{_DIGEST_DIGITS}}}-(?:320|1280)\.webp").fullmatch


def copy_name(digest: bytes, side: CopySide) -> str:
    """The name in `PICTURES` of a copy of the picture whose bytes have this SHA-256."""
    return f"{digest.hex()[:_DIGEST_DIGITS]}-{side:d}.webp"


def is_copy_name(name: str) -> bool:
    """Whether a file in `PICTURES` is a report's own."""
    return bool(_is_copy(name))


def is_report_file(path: str) -> bool:
    """Whether a path relative to OUT is that of a report's own file."""
    folder, _, name = path.rpartition("/")
    return path == PAGE or (folder == PICTURES and is_copy_name(name))
