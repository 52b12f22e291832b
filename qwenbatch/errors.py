"""The one root of every error that qwenbatch raises on purpose.

Whatever derives from `QwenbatchError` is an answer to a person: it is printed as one or two
lines, never as a traceback. Anything else that escapes is a defect of the program.
"""

from __future__ import annotations


class QwenbatchError(Exception):
    """Something that the user, the machine or the gateway must be told about.

    `what` says what happened and to what; `advice`, if any, what to do about it.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        """Both sentences, one a line."""
        return f"{self.what}\n{self.advice}" if self.advice else self.what


class UsageError(QwenbatchError):
    """An option, a setting or a combination of them that makes no sense (exit 2)."""


class ManifestError(QwenbatchError):
    """A manifest that cannot be read as a whole; single bad rows are `Fault`s instead (exit 2)."""


class LedgerError(QwenbatchError):
    """A ledger that cannot be opened, or belongs to something else (exit 2)."""


class LedgerBusyError(QwenbatchError):
    """Another run holds the ledger's lock (exit 10)."""


class DiskError(QwenbatchError):
    """The disk is full or cannot be written (exit 9)."""


class StoreError(QwenbatchError):
    """An object store that refuses, fails, or cannot be reached (exit 2 where a run begins).

    `passing`: it was busy, broken or out of reach, and may serve later.
    """

    def __init__(self, what: str, advice: str = "", *, passing: bool = False) -> None:
        super().__init__(what, advice)
        self.passing = passing


class PictureError(QwenbatchError):
    """A picture that is not one, is cut off, or that this program will not touch."""
