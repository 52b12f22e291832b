"""A file's lines as bytes, one at a time and of bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO, Self

MAX_LINE_BYTES = 16 * 1024 * 1024
"""The longest line of a manifest; it holds the longest data URI that the gateway takes."""

BOM = b"\xef\xbb\xbf"
_BUFFER_BYTES = 256 * 1024


class Lines:
    """The lines of one open file; a line that is too long comes as None, and is skipped.

    After each call of `next`, `line` is the number of its line, from 1, and `offset` that of its
    line's first byte in the file, from 0. A byte-order mark at the start is left out. Raises
    `ManifestError` where the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = _opened(path)
        self._readline = self._file.readline
        self._end = 0
        self.line = 0
        self.offset = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def next(self) -> bytes | None:
        """The next line with its end, empty at the end of the file, None if it is too long."""
        self.offset = self._end
        try:
            raw = self._readline(MAX_LINE_BYTES + 1)
            self._end += len(raw)
            self.line += bool(raw)
            if len(raw) > MAX_LINE_BYTES:
                self._skip_rest(raw)
                return None
        except OSError as error:
            raise unreadable(self._path, error) from error
        if self.line == 1 and raw.startswith(BOM):
            self.offset = len(BOM)
            return raw[len(BOM) :] or self.next()
        return raw

    def _skip_rest(self, raw: bytes) -> None:
        while raw and not raw.endswith(b"\n"):
            raw = self._readline(_BUFFER_BYTES)
            self._end += len(raw)


def unreadable(path: Path, error: OSError) -> ManifestError:
    """What a person is told where a manifest cannot be read."""
    return ManifestError(f"{path} cannot be read: {error.strerror or error}")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=_BUFFER_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error
