"""Keeps the books: in memory, and line by line in a file, so that they outlive the process.

A line is one JSON array: the word for what happened, the number of the POST, and the rest. A line
is handed to the system before what it tells is acted on; a last line that was cut off by the
process's death is dropped when the books are opened again.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from qwenbatch.sandbox.books import MAX_STARTS, Books, EditBook
from qwenbatch.sandbox.own_files import for_owner_alone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from qwenbatch.sandbox.order import Order

MAX_REQUESTS = 100_000
_SHORT_INSTRUCTION = 80


class Entry(StrEnum):
    """What a line of the books tells."""

    ARRIVED = "arrived"
    ASKED = "asked"
    BILLED = "billed"
    ENDED = "ended"
    LEAK = "leak"
    FETCHED = "fetched"


@dataclass(slots=True)
class Post:
    """One POST that is being served; `fingerprint` is None until its body was read."""

    number: int
    fingerprint: str | None = None


class Bookkeeper:
    """Records what happens; `file` None keeps it in memory only.

    Memory grows with the number of different edits, by well under a kilobyte each.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._posts = self._billed = self._leaks = 0
        self._in_flight = self._max_in_flight = 0
        self._edits: dict[str, EditBook] = {}
        self._outcomes: Counter[str] = Counter()
        self._requests: dict[str, str] = {}
        self._starts: deque[float] = deque(maxlen=MAX_STARTS)
        self._fetched: Counter[str] = Counter()
        self._throttled = self._broken_off = 0
        self._watchers: set[asyncio.Event] = set()
        self._file: BinaryIO | None = None if file is None else self._reopened(file)

    def close(self) -> None:
        """Closes the file; nothing may be recorded afterwards."""
        if self._file is not None:
            self._file.close()

    def arrived(self, at: float) -> Post:
        """A POST arrived, at `at` seconds of the monotonic clock."""
        self._record(Entry.ARRIVED, at)
        self._in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self._in_flight)
        self._tell_watchers()
        return Post(self._posts)

    def asked(self, post: Post, fingerprint: str, order: Order) -> None:
        """The POST's body was read, and asks for this."""
        post.fingerprint = fingerprint
        self._record(
            Entry.ASKED,
            fingerprint,
            order.image_name,
            order.instruction[:_SHORT_INSTRUCTION].encode(errors="replace").decode(),
            order.instruction_characters_cut,
            order.negative_prompt_characters_cut,
        )

    def billed(self, post: Post, request_id: str) -> None:
        """The POST's edit was made, and is paid."""
        self._record(Entry.BILLED, post.fingerprint, request_id)

    def ended(self, post: Post, outcome: str, *, throttled: bool, broken_off: bool) -> None:
        """What the POST gets, before it gets it."""
        self._record(Entry.ENDED, post.number, outcome, throttled, broken_off)

    def left(self) -> None:
        """A POST is no longer in flight."""
        self._in_flight -= 1
        self._tell_watchers()

    def leaked(self) -> None:
        """The key was shown where it must not be."""
        self._record(Entry.LEAK)

    def fetched(self, name: str) -> None:
        """A result was asked for."""
        self._record(Entry.FETCHED, name)

    def snapshot(self) -> Books:
        """The books as they stand."""
        return Books(
            posts=self._posts,
            billed=self._billed,
            leaks=self._leaks,
            throttled=self._throttled,
            broken_off=self._broken_off,
            in_flight=self._in_flight,
            max_in_flight=self._max_in_flight,
            edits=dict(self._edits),
            outcomes=dict(self._outcomes),
            requests=dict(self._requests),
            starts=tuple(self._starts),
            results_fetched=dict(self._fetched),
        )

    async def until(self, holds: Callable[[Books], bool]) -> Books:
        """Waits until `holds` is true of the books; returns them as they were then."""
        watcher = asyncio.Event()
        self._watchers.add(watcher)
        try:
            while not holds(books := self.snapshot()):
                watcher.clear()
                await watcher.wait()
            return books
        finally:
            self._watchers.discard(watcher)

    def _record(self, entry: Entry, *facts: object) -> None:
        if self._file is not None:
            self._file.write(json.dumps([entry, *facts]).encode() + b"\n")
            self._file.flush()
        self._apply(entry, facts)
        self._tell_watchers()

    def _tell_watchers(self) -> None:
        for watcher in self._watchers:
            watcher.set()

    def _apply(self, entry: Entry, facts: tuple[object, ...]) -> None:
        match entry, facts:
            case Entry.ARRIVED, (float(at),):
                self._posts += 1
                self._starts.append(at)
            case Entry.ASKED, (str(key), str(image), str(instruction), int(cut), int(negative)):
                self._ask(
                    key,
                    EditBook(
                        posts=0,
                        billed=0,
                        instruction=instruction,
                        image=image,
                        instruction_characters_cut=cut,
                        negative_prompt_characters_cut=negative,
                    ),
                )
            case Entry.BILLED, (str(key), str(request_id)):
                self._bill(key, request_id)
            case Entry.ENDED, (int(), str(outcome), bool(throttled), bool(broken_off)):
                self._outcomes[outcome] += 1
                self._throttled += throttled
                self._broken_off += broken_off
            case Entry.LEAK, ():
                self._leaks += 1
            case Entry.FETCHED, (str(name),):
                self._fetched[name] += 1
            case _:
                raise ValueError(f"the books cannot hold {entry} with {facts!r}")

    def _ask(self, key: str, first: EditBook) -> None:
        book = self._edits.get(key, first)
        self._edits[key] = replace(book, posts=book.posts + 1)

    def _bill(self, key: str, request_id: str) -> None:
        self._billed += 1
        book = self._edits[key]
        self._edits[key] = replace(book, billed=book.billed + 1)
        self._requests[request_id] = key
        if len(self._requests) > MAX_REQUESTS:
            del self._requests[next(iter(self._requests))]

    def _reopened(self, file: Path) -> BinaryIO:
        whole = 0
        with suppress(FileNotFoundError), file.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                entry, *facts = json.loads(line)
                self._apply(Entry(entry), tuple(facts))
                whole += len(line)
        books = open(file, "ab", opener=for_owner_alone)  # noqa: SIM115 - so made, and kept
        books.truncate(whole)
        return books
