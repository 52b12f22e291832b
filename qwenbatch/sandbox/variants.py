"""What one variant of a fault looks like on the wire."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from email.utils import formatdate
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwenbatch.sandbox.faults import FaultKind

RESULT_URL_MARK = b"@result-url@"
"""Stands in a variant's body for the result's URL."""

RESULT_PICTURE_MARK = b"@result-picture@"
"""Stands in a variant's body for the result itself, in base64."""

PADDING_MARK = b"@padding@"
"""Stands in a variant's body for `PADDING_BYTES` letters."""

PADDING_BYTES = 10_000_000

DATE_MARK = "@in-2-seconds@"
"""Stands in a variant's header for the HTTP date two seconds from now."""


class Shape(StrEnum):
    """The shapes in which a failure can come."""

    PLAIN = "plain"
    """`{"error": …}`, at times with `message`."""
    GATEWAY = "gateway"
    """`{"statusCode": …, "message": …}`, at times with `activityId`."""
    MODEL = "model"
    """`{"request_id": …, "code": …, "message": …}`."""
    DUMP = "dump"
    """The whole success dump with a failure in it, inside HTTP 200."""
    ERROR = "error"
    """`{"error": {…}}` or `{"detail": …}`, of servers with OpenAI's door."""
    BARE = "bare"
    """No JSON object, or nothing at all."""


class Conduct(StrEnum):
    """What the sandbox does with the connection."""

    ANSWER = "answer"
    """Answers, whole."""
    RESET_BEFORE_BODY = "reset_before_body"
    """Resets the connection once the head of the request is there."""
    RESET_IN_BODY = "reset_in_body"
    """Resets the connection once the body's first piece is there."""
    RESET = "reset"
    """Resets the connection instead of an answer."""
    CLOSE = "close"
    """Closes the connection instead of an answer."""
    HALF_HEAD = "half_head"
    """Closes the connection in the middle of the answer's head."""
    SHORT_BODY = "short_body"
    """Promises a longer body than it sends, then closes."""
    NEVER = "never"
    """Holds the connection open without an answer."""
    EARLY = "early"
    """Answers before the body was read, and reads no more of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it goes on the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One of the ways in which a kind of fault comes.

    `name` is unique among its kind's. `status` is None where no answer is sent. `usual` variants
    are the ones served when none is named; the others would stop or stall a run on purpose.
    `body` and `headers` may hold marks, which `answer` fills in.
    """

    kind: FaultKind
    name: str
    shape: Shape
    status: int | None
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    conduct: Conduct = Conduct.ANSWER
    usual: bool = True

    def answer(self, *, result_url: str, now: float, picture: bytes = b"") -> Answer:
        """What goes on the wire at `now` (seconds since 1970), marks filled in."""
        body = self.body.replace(RESULT_URL_MARK, result_url.encode())
        if RESULT_PICTURE_MARK in body:
            body = body.replace(RESULT_PICTURE_MARK, base64.b64encode(picture))
        if PADDING_MARK in body:
            body = body.replace(PADDING_MARK, b"x" * PADDING_BYTES)
        date = formatdate(int(now) + 2, usegmt=True)
        headers = tuple((name, date if text == DATE_MARK else text) for name, text in self.headers)
        return Answer(status=self.status or 0, headers=headers, body=body)
