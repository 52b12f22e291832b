"""The console that a run's display and closing words are printed on."""

from __future__ import annotations

from rich.console import Console


class Terminal(Console):
    """A rich console on which a reader that went away is an OSError, as on any file.

    Rich would point the program's stdout at nowhere and exit with status 1, in mid-run.
    """

    def on_broken_pipe(self) -> None:
        """Let the error through; it is called while that error is handled."""
        raise  # noqa: PLE0704 - rich calls this from its `except BrokenPipeError`
