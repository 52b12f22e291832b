"""The apostrophe that keeps a spreadsheet from taking a text for a formula: taken away again."""

from __future__ import annotations

import re

_is_guarded = re.compile(r"''*[=+\-@\t\r]").match


def unguarded(text: str) -> str:
    """The text without the one apostrophe that an export of ours puts before `=`, `+`, `-`, `@`.

    Only in front of further apostrophes and one of these, a tab or a carriage return.
    """
    return text[1:] if _is_guarded(text) else text
