"""A gateway of one's own: it keeps the paid service's contract, costs nothing, and misbehaves.

It imports nothing else of this package, so that a mistake there does not agree with one here.
"""

from __future__ import annotations

from qwenbatch.sandbox.books import Books, EditBook
from qwenbatch.sandbox.faults import (
    ANSWER_KINDS,
    BILLED_KINDS,
    RESULT_KINDS,
    TABLE_KINDS,
    Fault,
    FaultKind,
    parse_share,
)
from qwenbatch.sandbox.server import Sandbox, serve
from qwenbatch.sandbox.settings import SandboxError, SandboxSettings
from qwenbatch.sandbox.variant_table import VARIANTS, variants_of
from qwenbatch.sandbox.variants import Answer, Conduct, Shape, Variant

__all__ = [
    "ANSWER_KINDS",
    "BILLED_KINDS",
    "RESULT_KINDS",
    "TABLE_KINDS",
    "VARIANTS",
    "Answer",
    "Books",
    "Conduct",
    "EditBook",
    "Fault",
    "FaultKind",
    "Sandbox",
    "SandboxError",
    "SandboxSettings",
    "Shape",
    "Variant",
    "parse_share",
    "serve",
    "variants_of",
]
