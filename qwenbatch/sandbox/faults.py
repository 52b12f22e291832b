"""What can go wrong on demand: the kinds of fault, a fault to be served, and `KIND=SHARE`.

The first thirteen kinds are the rows of the contract's table "What each failure means", by the
same names; the others are mischief with an answer that was paid for, or with its result.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """Every way in which the sandbox can misbehave."""

    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    EXHAUSTED = "exhausted"
    DENIED = "denied"
    MISADDRESSED = "misaddressed"
    MODERATED = "moderated"
    SOURCE_UNREACHABLE = "source_unreachable"
    INVALID = "invalid"
    SERVER_ERROR = "server_error"
    TOO_COMPLEX = "too_complex"
    GAVE_UP = "gave_up"
    CUT_OFF = "cut_off"
    UNREADABLE = "unreadable"

    RESULT_MISSING = "result_missing"
    RESULT_FORBIDDEN = "result_forbidden"
    RESULT_LIMITED = "result_limited"
    RESULT_CUT = "result_cut"
    RESULT_CORRUPT = "result_corrupt"
    RESULT_HTML = "result_html"
    RESULT_SLOW = "result_slow"
    RESULT_REDIRECT = "result_redirect"
    RESULT_JPEG = "result_jpeg"
    RESULT_HUGE_HEADER = "result_huge_header"

    ANSWER_EMPTY = "answer_empty"
    ANSWER_HTML = "answer_html"
    ANSWER_CUT = "answer_cut"
    ANSWER_HUGE = "answer_huge"
    ANSWER_WRONG_TYPES = "answer_wrong_types"
    ANSWER_WRONG_CHARSET = "answer_wrong_charset"
    ANSWER_SHORT = "answer_short"
    ANSWER_NEVER = "answer_never"
    ANSWER_EARLY = "answer_early"


RESULT_KINDS = frozenset(kind for kind in FaultKind if kind.startswith("result_"))
"""The answer is a success, and paid; the mischief sits on its result."""

ANSWER_KINDS = frozenset(kind for kind in FaultKind if kind.startswith("answer_"))
"""Mischief with the answer itself."""

TABLE_KINDS = frozenset(FaultKind) - RESULT_KINDS - ANSWER_KINDS
"""The rows of the contract's table."""

BODILESS_KINDS = frozenset({FaultKind.UNREACHABLE, FaultKind.ANSWER_EARLY})
"""Served before the body was read, so never billed."""

BILLED_KINDS = (
    frozenset({FaultKind.GAVE_UP, FaultKind.CUT_OFF, FaultKind.UNREADABLE})
    | RESULT_KINDS
    | (ANSWER_KINDS - BODILESS_KINDS)
)
"""The edit was made, and is billed unless the fault says otherwise: the worst case."""

LASTING_RESULT_KINDS = frozenset(
    {
        FaultKind.RESULT_MISSING,
        FaultKind.RESULT_FORBIDDEN,
        FaultKind.RESULT_REDIRECT,
        FaultKind.RESULT_JPEG,
        FaultKind.RESULT_HUGE_HEADER,
    },
)
"""Drawn by share, these stay; the other result kinds pass after one fetch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault to be served to the first POSTs that match it.

    `variant` names one of the kind's variants; None takes the usual ones in turn. `times` is the
    number of POSTs that it is served to (of fetches of one POST's result, for the result kinds);
    None: without end. `match` is a part of the instruction. `billed` None means the kind's
    default. `delay` is in seconds, before the fault is served (for `result_slow`: how long the
    whole result takes).

    Raises ValueError where the parts do not go together.
    """

    kind: FaultKind
    variant: str | None = None
    times: int | None = 1
    match: str | None = None
    billed: bool | None = None
    delay: float = 0.0

    def __post_init__(self) -> None:
        if self.times is not None and self.times < 1:
            raise ValueError(f"times={self.times}: a fault is served at least once")
        if not self.delay >= 0:
            raise ValueError(f"delay={self.delay}: a delay is in seconds, and not negative")
        if self.billed and self.kind in BODILESS_KINDS:
            raise ValueError(f"{self.kind} comes before the body arrived: it cannot be billed")
        if self.billed is False and self.kind in RESULT_KINDS:
            raise ValueError(f"{self.kind} has a result: it is always billed")

    @property
    def edit_is_made(self) -> bool:
        """Whether the edit is made, and billed, although the fault is served."""
        return self.kind in BILLED_KINDS if self.billed is None else self.billed


def fault_kind(name: str) -> FaultKind:
    """The kind of this name; ValueError names the known ones."""
    try:
        return FaultKind(name)
    except ValueError:
        known = ", ".join(FaultKind)
        raise ValueError(f"{name!r} is no kind of fault; known are: {known}") from None


def parse_share(text: str) -> tuple[FaultKind, float]:
    """`KIND=SHARE` as a kind and a share of 0 to 1; ValueError says what is wrong with it."""
    name, separator, number = text.partition("=")
    if not separator:
        raise ValueError(f"{text!r} is not KIND=SHARE, such as throttled=0.1")
    kind = fault_kind(name.strip())
    try:
        share = float(number)
    except ValueError:
        raise ValueError(f"{number!r} is no number: a share of {kind} is 0 to 1") from None
    if not 0 <= share <= 1:
        raise ValueError(f"{number} is not within 0 to 1, as a share of {kind} must be")
    return kind, share
