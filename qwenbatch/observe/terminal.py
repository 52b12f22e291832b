"""The console that a run's display and closing words are printed on."""

from __future__ import annotations

from typing import Any, TextIO

from rich.console import Console


class Terminal(Console):
    """A rich console on which a reader that went away is an OSError, as on any file.

    Rich would point the program's stdout at nowhere and exit with status 1, in mid-run.
    """

    def __init__(self, file: TextIO, *, ascii_only: bool = False, **others: Any) -> None:
        super().__init__(file=file, **others)
        self._ascii_only = ascii_only

    @property
    def encoding(self) -> str:
        """What can be shown: the file's encoding, or only ASCII where the user's locale says so."""
        return "ascii" if self._ascii_only else super().encoding

    def on_broken_pipe(self) -> None:
        """Let the error through; it is called while that error is handled."""
        raise  # noqa: PLE0704 - rich calls this from its `except BrokenPipeError`
