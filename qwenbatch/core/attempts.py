"""Permits and how attempts end, as values that cross the ports."""

from __future__ import annotations

from typing import NewType, TypeAlias
from uuid import UUID, uuid5

import msgspec

from qwenbatch.core.budget import Cap
from qwenbatch.core.keys import EditKey
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.core.verdicts import Kind

AttemptId = NewType("AttemptId", UUID)
"""The name of one POST; whoever makes it draws it."""

_NAMESPACE = UUID("6d1ee0a2-94a4-5dc4-ae2f-3d8f7b0a51c9")


def attempt_id(run: str, key: EditKey, *, life: int, number: int) -> AttemptId:
    """The id of the `number`th attempt in one life of an edit: asked again, it is the same.

    An edit may live twice in a run, where a changed source turns out to be that of another row:
    the lives' attempts are not each other's, or one permit would allow two POSTs.
    """
    return AttemptId(uuid5(_NAMESPACE, f"{run}/{key.hex()}/{life}/{number}"))


class PermitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger must know to allow one POST.

    `expected` is the state that the plan found the edit in: only from it, or from `pending`, is it
    sent. `paths` are the items' paths, relative to OUT, at which its result is wanted.
    """

    key: EditKey
    attempt: AttemptId
    price: MicroUSD
    expected: EditState
    paths: tuple[str, ...]


class Permit(msgspec.Struct, frozen=True):
    """One POST may be made; its price is reserved."""

    attempt: AttemptId


class CapRefusal(msgspec.Struct, frozen=True):
    """A cap does not allow the price; `reserved` is what is in flight, in micro-dollars."""

    cap: Cap
    reserved: MicroUSD


class StateRefusal(msgspec.Struct, frozen=True):
    """The edit is not in a state from which it may be sent: someone else moved it."""

    state: EditState


PermitAnswer: TypeAlias = Permit | CapRefusal | StateRefusal


class AttemptEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, as it goes into the ledger with the raw answer.

    `kind` is None exactly where `event` is `answered`. `width` and `height` are those of `usage`.
    """

    key: EditKey
    attempt: AttemptId
    event: EditEvent
    kind: Kind | None = None
    status: int | None = None
    message: str = ""
    request_id: str = ""
    url: str | None = None
    width: int | None = None
    height: int | None = None
    raw: bytes = b""
