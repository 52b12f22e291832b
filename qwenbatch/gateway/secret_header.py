"""A header's value that is sent as it is, and shown as three stars.

Debuggers, test reports and tracebacks show the values that a frame holds, and a request's headers
pass through many frames of others' code.
"""

from __future__ import annotations


class SecretHeader(str):
    """A text whose `repr` does not hold it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Three stars."""
        return "'***'"
