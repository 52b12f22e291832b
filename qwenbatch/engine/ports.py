"""What the engine needs of the world, as narrow as each user's need. Only plain values cross."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qwenbatch.core.retry import FETCH_WAITS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from qwenbatch.core.attempts import (
        AttemptEnd,
        AttemptId,
        CapRefusal,
        PermitAnswer,
        PermitRequest,
    )
    from qwenbatch.core.canary import Canary
    from qwenbatch.core.events import Event
    from qwenbatch.core.holdings import Claimed, Holding, Known
    from qwenbatch.core.items import Fault, Source
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.occupancy import Occupant
    from qwenbatch.core.placements import FileStamp, PaidEdit, Placement, Preparation, Saved
    from qwenbatch.core.plan import Conducted, DraftRow, Edit, Judged, KeyedRow, NamedRow
    from qwenbatch.core.replies import Reply
    from qwenbatch.core.results import Fetched, Staged
    from qwenbatch.core.sources import Problem, SourceFacts
    from qwenbatch.core.verdicts import Kind


class Clock(Protocol):
    """Time: intervals by the monotonic clock, moments of the calendar by the wall clock."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    def wall(self) -> float:
        """Seconds since the epoch."""


class Report(Protocol):
    """Whoever watches the run."""

    def __call__(self, event: Event, /) -> None:
        """Tell an event; it must not raise, nor take long."""


# ---------------------------------------------------------------------- for the planner


class Seen(Protocol):
    """A source as it was found."""

    @property
    def found(self) -> SourceFacts | Problem | None:
        """What is in it; None for a URL, which only the service reads."""

    @property
    def identity(self) -> tuple[int, int] | None:
        """Device and inode of its file, if there is one."""


class SourceReader(Protocol):
    """Reads sources."""

    def examine(self, sources: Sequence[Source | None]) -> Sequence[Seen]:
        """What is in each of these sources; unchanged files are not read again."""


class OutFolder(Protocol):
    """Looks at what lies at the items' paths."""

    def occupants(
        self,
        holdings: Sequence[Holding],
    ) -> Sequence[tuple[Occupant, FileStamp | None]]:
        """What lies at rows' paths, and the stamps of files that are known by their digests only.

        In the rows' order.
        """


class PlanBook(Protocol):
    """Keeps a run's rows while the planner works on them. Rows are named by their numbers."""

    def add(self, drafts: Sequence[DraftRow]) -> None:
        """Take in some rows, keyed or bad."""

    def held(self, keys: Iterable[EditKey]) -> set[tuple[EditKey, str]]:
        """The paths that edits hold by the ledger: key and path."""

    def finish_reading(self, passed: Iterable[tuple[int, str]]) -> None:
        """All rows are in; `passed` are names, by level and folded, that rows left meanwhile."""

    def contested_outputs(self) -> list[tuple[int, str]]:
        """Rows that name an output which another edit's row names too: number, path."""

    def contested_names(self, level: int) -> Iterator[list[NamedRow]]:
        """Rows of at most a level whose default name another edit's row wants too, by pages.

        Names of that level that rows left while they were read count as wanted.
        """

    def rename(self, names: Iterable[tuple[int, str, str, int]]) -> None:
        """Give rows other default names: number, path, fold, level."""

    def outputs_that_are_folders(self) -> list[tuple[int, str]]:
        """Rows whose path another row needs as a folder: number, path."""

    def outputs_that_are_sources(self, out: str) -> list[tuple[int, str]]:
        """Rows whose path below OUT is some row's source: number, path."""

    def holdings(self) -> Iterator[list[Holding]]:
        """Every valid row with what the ledger has on its edit and its path, by pages."""

    def judge(self, judged: Sequence[Judged]) -> None:
        """Record what becomes of some valid rows, which follow each other."""

    def finish_judging(self) -> None:
        """All fates are known."""

    def refuse(self, faults: Iterable[tuple[int, Fault]]) -> None:
        """Make rows invalid: number, why."""

    def refused(self) -> Iterator[tuple[int, str, Fault]]:
        """Every invalid row: line, image, why."""


# ---------------------------------------------------------------------- for the conductor


class Permits(Protocol):
    """The ledger: no POST without a permit, every end recorded. Durable on return."""

    async def permit(self, request: PermitRequest) -> PermitAnswer:
        """Allow one POST and reserve its price in one transaction, or say why not."""

    async def release(self, key: EditKey, attempt: AttemptId) -> None:
        """Give back a permit that was not used."""

    async def end(self, ended: AttemptEnd) -> None:
        """Record how an attempt ended, raw answer and all."""


class ReadySource(Protocol):
    """A request whose source is open and ready to be sent."""

    @property
    def handed_over(self) -> bool:
        """Whether the body's last chunk went out: from then on the edit may run."""

    async def post(self, attempt: AttemptId) -> Reply:
        """Send it, once, under this attempt's permit, and wait for the answer."""


class Gateway(Protocol):
    """The service: it edits for money."""

    def ready(self, keyed: KeyedRow) -> AbstractAsyncContextManager[ReadySource | None]:
        """Open an edit's source; None if it is no longer what was keyed.

        Raises PictureError if the picture turns out to be damaged.
        """


class Throttle(Protocol):
    """Whoever says how many POSTs may be in flight, when the next may start, and when none may."""

    @property
    def stopping(self) -> bool:
        """Whether no new POST may be made."""

    def slot(self) -> AbstractAsyncContextManager[bool]:
        """One of the places in flight; False if the run is stopping."""

    async def turn(self) -> bool:
        """Wait until the next POST may start; False if the run is stopping instead."""

    async def departs(self) -> None:
        """Wait until a POST that has its permit may go out, or the run is stopping."""

    def landed(self) -> None:
        """What had its turn is recorded, or was not sent after all."""

    async def rest(self, seconds: float) -> bool:
        """Wait so many seconds to send an edit again; False as soon as the run is stopping."""

    def news(self) -> int:
        """How often anything in the run changed so far: taken before a question is asked."""

    async def refused(self, refusal: CapRefusal, news: int) -> None:
        """A cap refused a permit: wait for what changes after `news`, or stop if nothing can."""

    def heard(
        self,
        kind: Kind | None,
        *,
        retry_after: float | None,
        seconds: float,
        again: bool,
    ) -> None:
        """An attempt is recorded, and ended so."""

    def freed(self) -> None:
        """Something that others may wait for is over."""


# ---------------------------------------------------------------------- for the placer


class PlacingThrottle(Protocol):
    """Whoever counts the paid edits that wait for placement."""

    def placing(self) -> AbstractAsyncContextManager[None]:
        """An edit that is paid for waits for placement while this is held."""

    def gave_up_placing(self) -> None:
        """A paid result could not be had in this run."""


class OutPath(Protocol):
    """Looks at what lies at one item's path."""

    async def occupant(self, holding: Holding) -> tuple[Occupant, FileStamp | None]:
        """What lies at a row's path, and the stamp of a file that is known by its digest only."""

    async def unrecorded(self, holding: Holding) -> Known | None:
        """Another edit's result at a row's path of which the ledger does not say that it is there.

        Its `suffix` is that under which the file lies.
        """


class PlacementBook(Protocol):
    """The ledger's side of placements. Durable on return."""

    async def paid_edit(self, key: EditKey) -> PaidEdit:
        """A paid edit with its answers and placements."""

    async def placement(self, key: EditKey, path: str) -> Placement | None:
        """An edit's placement at a path, if it is noted and not lost."""

    async def claimed(self, key: EditKey, path: str, suffix: str) -> Claimed:
        """What ledger and manifest have on an edit's path, and to whom it belongs."""

    async def prepare(self, preparation: Preparation) -> None:
        """Record a verified result's digest and path before it is renamed into place."""

    async def save(self, saved: Saved) -> None:
        """Record that a result is in place."""

    async def lose(self, key: EditKey, path: str) -> None:
        """Record that a paid result can no longer be had for a path."""


class Stage(Protocol):
    """A temporary file for one result, verified while it is written."""

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes; DiskError if the disk does not."""

    async def finish(self) -> Staged:
        """Verify and flush what was written; PictureError if it is no sound picture."""


class Fetcher(Protocol):
    """Gets results from where the service put them."""

    async def fetch(self, key: EditKey, url: str, stage: Stage) -> Fetched:
        """Stream an edit's result into a stage, and verify it."""

    async def forget(self, key: EditKey, urls: Sequence[str]) -> None:
        """Nothing waits for an edit's result any more: what was kept of it here may go."""


class Shelf(Protocol):
    """Puts verified results into place. Every failure of the disk is a DiskError."""

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        """A temporary file for one result; removed unless it is put into place."""

    async def copy_into(self, stage: Stage, placement: Placement) -> Staged | None:
        """A verified copy of a placement's file, if it has the recorded digest still."""

    async def adopt(self, placement: Placement) -> FileStamp | None:
        """The stamp of the file at a placement's path, if it has the recorded digest."""

    async def keep(self, relative: str, to: str) -> None:
        """Give a file that is to make room its place in `replaced/` too, durably."""

    async def put(
        self,
        result: Staged,
        relative: str,
        *,
        displaced: tuple[str, str] | None,
        overwrite: bool,
    ) -> FileStamp | None:
        """Rename a staged result into place; None if something else has come to lie there."""

    def replaced_path(self, key: EditKey, digest: bytes, suffix: str) -> str:
        """Where a result goes that makes room, relative to OUT."""

    async def forget(self, relative: str) -> None:
        """Remove a file in `replaced/` whose result is back in its place."""


# ---------------------------------------------------------------------- for the run


class EditConductor(Protocol):
    """Leads edits through their lives, any number at once."""

    async def conduct(self, edit: Edit) -> Conducted:
        """Send an edit until it is edited, refused, uncertain, or this run leaves it.

        Raises PictureError if the picture turns out to be damaged.
        """


class ResultPlacer(Protocol):
    """Brings paid results to their paths."""

    async def place(
        self,
        key: EditKey,
        *,
        paid_now: bool,
        waits: tuple[float, ...] = FETCH_WAITS,
    ) -> None:
        """Bring an edit's result to every path that waits for it, or leave it waiting."""


class Approve(Protocol):
    """Whoever says whether the rest may follow the canaries."""

    async def __call__(self, canaries: Sequence[Canary], /) -> bool:
        """Look at what became of the canaries."""


class Agenda(Protocol):
    """What the planned run has to do."""

    def edits(self) -> AsyncIterator[Edit]:
        """The edits to send, in the manifest's order, each once."""

    async def canaries(self, wanted: int) -> list[Edit]:
        """At most so many of the edits to send, spread evenly over the manifest."""

    async def owner(self, path: str) -> EditKey | None:
        """The edit to which a path belongs now; None if it is no row's."""

    async def rekey(self, old: Edit, keyed: KeyedRow) -> list[Edit]:
        """The edits that an edit makes whose source changed."""

    async def refuse(self, edit: Edit, fault: Fault) -> Edit | None:
        """The rows of an edit with its source are invalid; what is left of it, if anything."""


class RunBook(Protocol):
    """The ledger, as the run itself needs it."""

    async def next_waiting(self, after: int, limit: int) -> list[tuple[int, EditKey]]:
        """Paid edits with a path that waits: their numbers, which rise, and keys."""

    async def want(self, key: EditKey, paths: Sequence[str]) -> None:
        """A paid edit's result is to be placed at these paths."""

    async def is_lost(self, key: EditKey) -> bool:
        """Whether nothing of a paid edit is in place, or may yet be."""

    async def placement(self, key: EditKey, path: str) -> Placement | None:
        """An edit's placement at a path, if it is noted and not lost."""

    async def remember_kind(self, key: EditKey, kind: Kind) -> None:
        """Note why an edit was not even sent."""


class Rekeyer(Protocol):
    """Reads a changed source again."""

    async def rekey(self, keyed: KeyedRow) -> KeyedRow | Problem:
        """The row with its source's new key, or why there is no sendable picture any more."""
