"""What a run is to do: rows with their keys, what becomes of each, and the edits to send."""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import final

import msgspec

from qwenbatch.core.items import BadRow, Fault, Row
from qwenbatch.core.keys import EditKey, canonical_url, edit_key
from qwenbatch.core.occupancy import Claim
from qwenbatch.core.outcomes import ItemState
from qwenbatch.core.sources import SourceFacts
from qwenbatch.core.states import EditState, PlacementState
from qwenbatch.core.verdicts import Kind


class Fate(StrEnum):
    """What a run does about an item."""

    SAVED = "saved"
    """Nothing: its result is in place."""
    PLACE = "place"
    """Its edit is paid for: the result is placed, free of charge."""
    SEND = "send"
    """Its edit is sent."""
    RESEND_LOST = "resend_lost"
    """Its result was lost: the URL is tried once more, then the edit is sent again, as asked."""
    HELD = "held"
    """Nothing, unless asked: its edit is uncertain, failed, or its result lost."""
    INVALID = "invalid"
    """Nothing: the row is refused."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is done only where it was asked for. `retry_kinds` empty: all kinds."""

    resend_uncertain: bool = False
    resend_lost: bool = False
    retry_failed: bool = False
    retry_kinds: frozenset[Kind] = frozenset()


class Standing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the ledger has on an item's edit and placement; None: nothing.

    `flying`: its edit is in flight in a run that is going on.
    """

    edit: EditState | None = None
    kind: Kind | None = None
    placement: PlacementState | None = None
    flying: bool = False


@final
class KeyedRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A row whose source has been read: its edit's key is known. A URL source has no facts."""

    row: Row
    key: EditKey
    facts: SourceFacts | None = None


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent: one row stands for all that share the key.

    `paths` are all of their paths, relative to OUT; `items` counts them. `expected` is the state
    in which the ledger had the edit when it was planned.
    """

    keyed: KeyedRow
    paths: tuple[str, ...]
    items: int
    expected: EditState
    fate: Fate
    rekeyed: bool = False

    @property
    def key(self) -> EditKey:
        """The name of what is paid for."""
        return self.keyed.key


class Conducted(Enum):
    """How the life of an edit ended, as far as this run goes."""

    EDITED = auto()
    """Paid, and its answer is in the ledger: now it is to be placed."""
    LEFT = auto()
    """Left for a later run, refused, uncertain, or moved by someone else."""
    CHANGED = auto()
    """Its source is no longer what was keyed; nothing was sent under the old key."""


def key_row(row: Row, facts: SourceFacts | None, url: str | None) -> KeyedRow:
    """Name a row's edit, from its source's digest or its URL."""
    source = facts.digest.hex() if facts is not None else canonical_url(url or "")
    key = edit_key(
        source=source,
        instruction=row.instruction,
        negative_prompt=row.negative_prompt,
        watermark=row.watermark,
        take=row.take,
    )
    return KeyedRow(row=row, key=key, facts=facts)


def fate_of(standing: Standing, claim: Claim, asked: Asked) -> Fate:  # noqa: PLR0911 - a table
    """What a run does about an item, from what the ledger has and what its path allows."""
    if claim is Claim.INVALID:
        return Fate.INVALID
    if claim is Claim.DONE:
        return Fate.SAVED
    match standing.edit:
        case None | EditState.PENDING:
            return Fate.SEND
        case EditState.EDITED if standing.placement is PlacementState.LOST:
            return Fate.RESEND_LOST if asked.resend_lost else Fate.HELD
        case EditState.EDITED:
            return Fate.PLACE
        case EditState.UNCERTAIN | EditState.SENDING:
            return Fate.SEND if asked.resend_uncertain else Fate.HELD
        case EditState.FAILED:
            return Fate.SEND if _retries(standing.kind, asked) else Fate.HELD


def _retries(kind: Kind | None, asked: Asked) -> bool:
    return kind in asked.retry_kinds if asked.retry_kinds else asked.retry_failed


def state_of(standing: Standing, *, invalid: bool) -> ItemState:  # noqa: PLR0911 - a table
    """In which count an item is.

    An edit in flight is pending while its run goes on, and uncertain once that is dead.
    """
    if invalid:
        return ItemState.INVALID
    if standing.flying:
        return ItemState.PENDING
    match standing.edit:
        case None | EditState.PENDING:
            return ItemState.PENDING
        case EditState.FAILED:
            return ItemState.FAILED
        case EditState.UNCERTAIN | EditState.SENDING:
            return ItemState.UNCERTAIN
        case EditState.EDITED if standing.placement is PlacementState.SAVED:
            return ItemState.SAVED
        case EditState.EDITED if standing.placement is PlacementState.LOST:
            return ItemState.LOST
        case EditState.EDITED:
            return ItemState.PENDING


def is_final(fate: Fate | None, state: ItemState) -> bool:
    """Whether nothing more will become of an item in a run that goes on.

    Asked once its edit came to an end, or where there is nothing to do about it. What is pending
    may change until the run is over; so may a lost result that is to be sent again.
    """
    match fate:
        case None | Fate.SAVED | Fate.HELD | Fate.INVALID:
            return True
        case Fate.RESEND_LOST if state is ItemState.LOST:
            return False
        case Fate.SEND | Fate.PLACE | Fate.RESEND_LOST:
            return state is not ItemState.PENDING


def failure_of(standing: Standing, state: ItemState) -> Kind | None:
    """The kind under which an item that is not saved is told among the failures."""
    match state:
        case ItemState.SAVED | ItemState.INVALID:
            return None
        case ItemState.LOST:
            return Kind.UNFETCHED
        case ItemState.PENDING if standing.flying:
            return None
        case ItemState.PENDING if standing.edit is EditState.EDITED:
            return Kind.UNFETCHED
        case ItemState.UNCERTAIN:
            return standing.kind or Kind.CUT_OFF
        case ItemState.PENDING | ItemState.FAILED:
            return standing.kind


class DraftRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row as the plan first takes it in.

    `row` is the row, or what could be read of a bad one; `keyed` is None where the row is invalid,
    and then `fault` says why. `source` is the absolute path or the URL of the image, `identity` the
    device and inode of its file, `size` the upright source's in pixels. `level` is that of the
    default name at `path`, or -1 where the row names its output itself.
    """

    row: Row | BadRow
    source: str = ""
    keyed: KeyedRow | None = None
    fault: Fault | None = None
    identity: tuple[int, int] | None = None
    size: tuple[int, int] | None = None
    path: str | None = None
    fold: str | None = None
    level: int = -1


class NamedRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row whose default name of this level is contested."""

    keyed: KeyedRow
    level: int


class Judged(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What becomes of a row, and why if it is refused.

    `expected` is the state in which the ledger has its edit: what happens to the edit later in the
    run, under another row, must not pass for what was asked for.
    """

    number: int
    fate: Fate
    expected: EditState
    fault: Fault | None = None
