"""What must come of a POST to the sandbox, by the variant of fault that it met."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.core.verdicts import Kind
from qwenbatch.sandbox import FaultKind
from qwenbatch.sandbox.faults import TABLE_KINDS

if TYPE_CHECKING:
    from qwenbatch.sandbox.variants import Variant

EARLY = {401: Kind.DENIED, 429: Kind.THROTTLED}


def expected_kind(variant: Variant) -> Kind | None:
    """None: the edit is made."""
    if variant.kind in TABLE_KINDS:
        return Kind(variant.kind)
    if variant.kind is FaultKind.ANSWER_EARLY:
        return EARLY[variant.status or 0]
    if variant.kind is FaultKind.ANSWER_NEVER:
        return Kind.CUT_OFF
    unreadable = variant.kind in {FaultKind.ANSWER_EMPTY, FaultKind.ANSWER_HTML}
    return Kind.UNREADABLE if unreadable or variant.name in {"url", "choices"} else None
