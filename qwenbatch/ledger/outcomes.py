"""What became of every item, read from the ledger by pages: a million are never held at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.items import InlineSource
from qwenbatch.core.money import MicroUSD, usd
from qwenbatch.core.outcomes import ItemState, Outcome
from qwenbatch.core.placements import FileStamp, Placement
from qwenbatch.core.plan import failure_of, state_of
from qwenbatch.core.standing import utc
from qwenbatch.core.states import AttemptState
from qwenbatch.ledger.database import all_rows, dump_json
from qwenbatch.ledger.standing import standing_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import apsw

    from qwenbatch.core.plan import Standing
    from qwenbatch.core.store_url import StoreUrl
    from qwenbatch.core.verdicts import Kind

PAGE = 1000
"""Items that are looked at in one step."""

IN_FLIGHT = "in flight: a run is waiting for its answer"
"""The reason of an item whose edit is being sent at this moment."""

COLUMNS = """
    i.manifest, i.number, i.line, i.image, i.inline, i.instruction, i.negative_prompt,
    i.watermark, i.take, i.output, i.id, i.extra, {rows}.key, {rows}.path, {rows}.fault,
    e.id AS edit, e.state AS edit_state, e.kind,
    {placement} AS placement, p.suffix, p.replaced, p.digest, p.size, p.mtime, p.inode,
    m.path AS manifest_path
"""
"""The columns of an `ItemRow`: `rows` names the table of keys, `placement` a placement's state."""

_ITEMS = f"""
    SELECT {COLUMNS.format(rows="i", placement="p.state")}
    FROM items_whole i
    JOIN manifests m ON m.id = i.manifest
    LEFT JOIN edits e ON e.id = i.edit
    LEFT JOIN placements p ON p.path = i.path AND p.edit = e.id
    WHERE (i.manifest, i.number) > (?, ?)
    ORDER BY i.manifest, i.number LIMIT ?
"""  # noqa: S608 - of constants

_ATTEMPTS = """
    SELECT edit, state, price, sent_at, ended_at, kind, message, request_id, width, height
    FROM attempts_whole WHERE edit IN (SELECT value FROM json_each(?))
    ORDER BY edit, sent_at, ifnull(ended_at, sent_at)
"""

_decode_inline = msgspec.json.Decoder(InlineSource).decode
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ItemRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An item's outcome, and what a manifest that names it again, or a report, must know.

    `manifest` is the path of the manifest or folder that it stands in; `path` is its result's,
    relative to OUT; `inline` says where its picture stands if that is a data URI. `placement` is
    the file of a saved result; `seconds` is how long the attempt took that `outcome` tells of.
    """

    outcome: Outcome
    manifest: str
    path: str | None = None
    inline: InlineSource | None = None
    placement: Placement | None = None
    seconds: float | None = None


class ItemRow(msgspec.Struct, gc=False):
    """A row of a query for `COLUMNS`, in their order."""

    manifest: int
    number: int
    line: int
    image: str
    inline: bytes | None
    instruction: str
    negative_prompt: str
    watermark: int
    take: int
    output: str | None
    id: str | None
    extra: bytes | None
    key: bytes | None
    path: str | None
    fault: str | None
    edit: int | None
    edit_state: str | None
    kind: str | None
    placement: str | None
    suffix: str | None
    replaced: str | None
    digest: bytes | None
    size: int | None
    mtime: int | None
    inode: int | None
    manifest_path: str


class AttemptRow(msgspec.Struct, gc=False):
    """A row of the query `_ATTEMPTS`, its columns in their order."""

    edit: int
    state: str
    price: int
    sent_at: int
    ended_at: int | None
    kind: str | None
    message: str | None
    request_id: str | None
    width: int | None
    height: int | None


def read_outcomes(
    db: apsw.Connection,
    *,
    out: Path | StoreUrl,
    state: ItemState | None,
    running: bool = False,
) -> Iterator[Outcome]:
    """The outcome of every item, or of those in one state, as `read_items` orders them."""
    return (item.outcome for item in read_items(db, out=out, state=state, running=running))


def read_items(
    db: apsw.Connection,
    *,
    out: Path | StoreUrl,
    state: ItemState | None,
    running: bool = False,
) -> Iterator[ItemRecord]:
    """Every item of every manifest as its last run saw it, by manifest and number.

    `out` is OUT, absolute. `running`: a run holds the ledger, so that what is being sent is in
    flight. An outcome's reason is empty where the ledger has no words for it.
    """
    manifest, number = 0, 0
    while rows := all_rows(db.execute(_ITEMS, (manifest, number, PAGE))):
        page = [ItemRow(*row) for row in rows]
        manifest, number = page[-1].manifest, page[-1].number
        if state is not None:
            page = [item for item in page if _state(item, running=running) is state]
        attempts = attempts_of(db, page)
        for item in page:
            sent = attempts.get(item.edit, [])
            outcome = outcome_of(item, sent, out, running=running)
            yield ItemRecord(
                outcome=outcome,
                manifest=item.manifest_path,
                path=item.path,
                inline=None if item.inline is None else _decode_inline(item.inline),
                placement=None if outcome.result is None else _placement(item),
                seconds=_seconds(_telling(sent)),
            )


def extra_names(db: apsw.Connection) -> list[str]:
    """The names of all columns that travel with the items, in the order of their coming."""
    names: dict[str, None] = {}
    for (extra,) in db.execute(
        "SELECT extra FROM items WHERE extra IS NOT NULL ORDER BY manifest, number",
    ):
        names.update(dict.fromkeys(_decode_names(extra)))
    return list(names)


def has_inline(db: apsw.Connection) -> bool:
    """Whether any item's picture stands as a data URI in its manifest."""
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM items WHERE inline IS NOT NULL)").get)


def attempts_of(db: apsw.Connection, page: list[ItemRow]) -> dict[int | None, list[AttemptRow]]:
    """The attempts of a page's edits, in the order in which they were sent."""
    edits = list({item.edit for item in page if item.edit is not None})
    found: dict[int | None, list[AttemptRow]] = {}
    for row in db.execute(_ATTEMPTS, (dump_json(edits),)):
        attempt = AttemptRow(*row)
        found.setdefault(attempt.edit, []).append(attempt)
    return found


def _state(item: ItemRow, *, running: bool) -> ItemState:
    return state_of(_standing(item, running=running), invalid=item.fault is not None)


def _standing(item: ItemRow, *, running: bool) -> Standing:
    return standing_of(item.edit_state, item.kind, item.placement, running=running)


def outcome_of(
    item: ItemRow,
    attempts: list[AttemptRow],
    out: Path | StoreUrl,
    *,
    running: bool = False,
) -> Outcome:
    """What became of an item, from its row and its edit's attempts; as `read_items` says it."""
    state, standing = _state(item, running=running), _standing(item, running=running)
    kind = failure_of(standing, state)
    paid = [attempt for attempt in attempts if attempt.state == AttemptState.PAID]
    telling = _telling(attempts)
    return Outcome(
        number=item.number,
        line=item.line,
        image=item.image,
        instruction=item.instruction,
        state=state,
        negative_prompt=item.negative_prompt,
        watermark=bool(item.watermark),
        take=item.take,
        id=item.id,
        output=item.output,
        kind=kind,
        reason=_reason(item, kind, attempts) or (IN_FLIGHT if standing.flying else ""),
        key=None if item.key is None else item.key.hex(),
        result=_result(item, state, out),
        width=paid[-1].width if paid else None,
        height=paid[-1].height if paid else None,
        cost=usd(MicroUSD(sum(attempt.price for attempt in paid))),
        request_id=telling.request_id if telling else None,
        attempts=len(attempts),
        finished_at=_finished_at(attempts),
        extra=item.extra or b"{}",
    )


def _reason(item: ItemRow, kind: Kind | None, attempts: list[AttemptRow]) -> str:
    """Why the row is invalid; or the gateway's words, if the last attempt ended with this kind."""
    if item.fault is not None:
        return item.fault
    if kind is not None and attempts and attempts[-1].kind == kind:
        return attempts[-1].message or ""
    return ""


def _result(item: ItemRow, state: ItemState, out: Path | StoreUrl) -> str | None:
    """Where the result is in place; None where it made room for another edit's."""
    if state is not ItemState.SAVED or item.path is None or item.replaced is not None:
        return None
    return str(out / (item.path + (item.suffix or "")))


def _placement(item: ItemRow) -> Placement | None:
    """The file of an item's saved result."""
    if item.path is None:
        return None
    stamp = None
    if item.size is not None and item.mtime is not None and item.inode is not None:
        stamp = FileStamp(item.size, item.mtime, item.inode)
    return Placement(path=item.path, suffix=item.suffix or "", digest=item.digest, stamp=stamp)


def _telling(attempts: list[AttemptRow]) -> AttemptRow | None:
    """The last attempt that was paid; if none was, the last one."""
    paid = [attempt for attempt in attempts if attempt.state == AttemptState.PAID]
    telling = paid or attempts
    return telling[-1] if telling else None


def _seconds(attempt: AttemptRow | None) -> float | None:
    if attempt is None or attempt.ended_at is None:
        return None
    return max(0, attempt.ended_at - attempt.sent_at) / 1000


def _finished_at(attempts: list[AttemptRow]) -> str | None:
    if not attempts or attempts[-1].ended_at is None:
        return None
    return utc(attempts[-1].ended_at / 1000)
