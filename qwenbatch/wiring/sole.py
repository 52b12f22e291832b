"""An error of ours that comes wrapped in groups of tasks, alone."""

from __future__ import annotations

from qwenbatch.errors import QwenbatchError


def sole_error(group: BaseExceptionGroup[BaseException]) -> QwenbatchError | None:
    """The one error that a group holds, however deep; None if it holds several, or a defect."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, QwenbatchError) else None
