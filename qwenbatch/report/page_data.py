"""What a report's page is told, as values; the page's scripts read them by these names.

Empty fields are left out. Texts have passed `shown_text`; the page shows them as text alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.items import UrlSource
from qwenbatch.report import shown_text

if TYPE_CHECKING:
    from qwenbatch.core.items import Source
    from qwenbatch.core.outcomes import Outcome


class PagePicture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture of an item: its own size in pixels, upright, and in bytes.

    `card` and `view` are the addresses of its copies, both empty where there are none; `note` says
    why, or what else a person must know.
    """

    card: str = ""
    view: str = ""
    width: int = 0
    height: int = 0
    size: int = 0
    note: str = ""


class PageItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item. `manifest` counts the page's manifests from 0; `cost` is in USD.

    `path` is the result's, relative to OUT, and `link` its address where it is in place. `seconds`
    is how long the telling attempt took.
    """

    number: int
    manifest: int
    state: str
    source: str
    before: PagePicture
    after: PagePicture
    instruction: str = ""
    negative: str = ""
    watermark: bool = False
    take: int = 1
    id: str = ""
    line: int = 0
    kind: str = ""
    reason: str = ""
    cost: float = 0.0
    seconds: float | None = None
    finished: str = ""
    request: str = ""
    attempts: int = 0
    path: str = ""
    link: str = ""
    key: str = ""
    columns: dict[str, str] = {}


class PageWords(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A state or a kind in words: its name, what it means, and what a person can do."""

    name: str
    means: str = ""
    advice: str = ""


class PageRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run: what it ran over, when it began (UTC), how long it took, what it spent, how it ended.

    `seconds` is None where it did not end.
    """

    source: str
    started: str
    seconds: float | None
    spent: str
    ended: str


class PageHead(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the whole page; amounts are in words, such as `$66.22`.

    `counts` are of all items by state, `failures` of those that are not saved by kind; `shown` is
    how many of the `total` the page holds. `exposure` and `twice` are empty where there is none.
    """

    title: str
    made: str
    sandbox: bool
    running: bool
    total: int
    shown: int
    counts: dict[str, int]
    failures: dict[str, int]
    spent: str
    exposure: str
    twice: str
    manifests: list[str]
    runs: list[PageRun]
    states: dict[str, PageWords]
    kinds: dict[str, PageWords]


def page_item(
    outcome: Outcome,
    *,
    source: Source | None,
    manifest: int,
    base: str,
    path: str | None,
    result: str | None,
    seconds: float | None,
    before: PagePicture,
    after: PagePicture,
) -> PageItem:
    """An item as the page shows it.

    `base` is the folder of its manifest: pictures below it are named by their place in it. `path`
    and `result` are relative to OUT: where its result belongs, and the file that is there.
    """
    return PageItem(
        number=outcome.number,
        line=outcome.line,
        manifest=manifest,
        id=shown_text.text(outcome.id or ""),
        source=_source(outcome.image, source, base),
        instruction=shown_text.text(outcome.instruction),
        negative=shown_text.text(outcome.negative_prompt),
        watermark=outcome.watermark,
        take=outcome.take,
        state=outcome.state,
        kind=outcome.kind or "",
        reason=shown_text.without_queries(outcome.reason),
        before=before,
        after=after,
        cost=outcome.cost,
        seconds=seconds,
        finished=outcome.finished_at or "",
        request=shown_text.text(outcome.request_id or ""),
        attempts=outcome.attempts,
        path=result or path or "",
        link=shown_text.link_to(result) if result else "",
        key=outcome.key or "",
        columns=shown_text.columns(outcome.extra),
    )


def _source(image: str, source: Source | None, base: str) -> str:
    if isinstance(source, UrlSource):
        return shown_text.address(source.url)
    return shown_text.text(image.removeprefix(base.rstrip("/") + "/"))
