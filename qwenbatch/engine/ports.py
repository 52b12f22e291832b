"""What the engine needs of the world, as narrow as each user's need. Only plain values cross."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from qwenbatch.core.attempts import AttemptEnd, AttemptId, PermitAnswer, PermitRequest
    from qwenbatch.core.events import Event
    from qwenbatch.core.items import Fault, Source
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.occupancy import Holding, Known, Occupant
    from qwenbatch.core.placements import FileStamp, PaidEdit, Placement, Preparation, Saved
    from qwenbatch.core.plan import DraftRow, Edit, Judged, KeyedRow, NamedRow
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


class SourceReader(Protocol):
    """Reads sources for the plan."""

    def examine(self, sources: Sequence[Source]) -> list[Seen]:
        """What is in each of these sources; unchanged files are not read again."""


class Seen(Protocol):
    """A source as it was found."""

    @property
    def found(self) -> SourceFacts | Problem | None:
        """What is in it; None for a URL, which only the service reads."""

    @property
    def identity(self) -> tuple[int, int] | None:
        """Device and inode of its file, if there is one."""


class OutFolder(Protocol):
    """Looks at what lies at the items' paths."""

    def occupant(self, holding: Holding) -> tuple[Occupant, FileStamp | None]:
        """What lies at a row's path, and the stamp of a file that is known by its digest only."""


class PlanBook(Protocol):
    """Keeps a run's rows while the planner works on them."""

    def add(self, drafts: Sequence[DraftRow]) -> None: ...
    def finish_reading(self) -> None: ...
    def contested_outputs(self) -> list[tuple[int, str]]: ...
    def outputs_that_are_sources(self, out: str) -> list[tuple[int, str]]: ...
    def contested_names(self) -> list[NamedRow]: ...
    def rename(self, names: Iterable[tuple[int, str, str, int]]) -> None: ...
    def paths(self) -> Iterator[str]: ...
    def add_folders(self, folds: Iterable[str]) -> None: ...
    def outputs_that_are_folders(self) -> list[tuple[int, str]]: ...
    def holdings(self) -> Iterator[list[Holding]]: ...
    def known_files(self, path: str) -> list[Known]: ...
    def judge(self, judged: Sequence[Judged]) -> None: ...
    def refuse(self, faults: Iterable[tuple[int, Fault]]) -> None: ...


class Agenda(Protocol):
    """What the planned run has to do."""

    def edits(self) -> AsyncIterator[Edit]:
        """The edits to send, in the manifest's order, each once."""

    async def rekey(self, edit: Edit, keyed: KeyedRow) -> list[Edit]:
        """The edits that an edit makes whose source changed."""

    async def give_up(self, key: EditKey, kind: Kind) -> None:
        """An edit is not sent in this run, and why."""

    async def owner(self, path: str) -> EditKey | None:
        """The edit to which this manifest gives a path."""


class Permits(Protocol):
    """The ledger, as the conductor needs it: no POST without a permit, every end recorded."""

    async def permit(self, request: PermitRequest) -> PermitAnswer: ...
    async def release(self, key: EditKey, attempt: AttemptId) -> None: ...
    async def end(self, ended: AttemptEnd) -> None: ...


class PlacementBook(Protocol):
    """The ledger, as the placer needs it."""

    async def next_waiting(self, after: int, limit: int) -> list[tuple[int, EditKey]]:
        """Paid edits with a path that waits, by a number that rises: the first after one."""

    async def paid_edit(self, key: EditKey) -> PaidEdit | None: ...
    async def prepare(self, preparation: Preparation) -> None: ...
    async def save(self, saved: Saved) -> None: ...
    async def lose(self, key: EditKey, path: str) -> None: ...


class ReadySource(Protocol):
    """A source that is open and ready to be sent."""

    @property
    def handed_over(self) -> bool:
        """Whether the body's last chunk went out: from then on the edit may run."""


class Gateway(Protocol):
    """The service: it edits for money."""

    def ready(self, keyed: KeyedRow) -> AbstractAsyncContextManager[ReadySource | None]:
        """Open an edit's source; None if it is no longer what was keyed."""

    async def post(self, keyed: KeyedRow, source: ReadySource) -> Reply:
        """Send one edit and wait for its answer."""


class Rekeyer(Protocol):
    """Reads a changed source again."""

    async def rekey(self, keyed: KeyedRow) -> KeyedRow | None:
        """The row with its source's new key; None if there is no sendable picture any more."""


class Fetcher(Protocol):
    """Gets results from where the service put them."""

    async def fetch(self, key: EditKey, url: str) -> Fetched:
        """Stream a result to a temporary file, and verify it."""


class Shelf(Protocol):
    """Puts verified results into place."""

    async def find(self, key: EditKey, placements: Sequence[Placement]) -> Staged | None:
        """A whole copy of the result from wherever one is left on the disk."""

    async def adopt(self, placement: Placement) -> FileStamp | None:
        """The stamp of the file at the placement's path, if it has the recorded digest."""

    async def displaced(self, path: str, key: EditKey) -> Placement_ | None:
        """What of ours lies at a path under another key."""

    async def put(self, staged: Staged, preparation: Preparation) -> FileStamp:
        """Rename a verified result into place and flush its folder."""
