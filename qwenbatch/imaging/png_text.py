"""Texts that a PNG carries: put in while it passes by, its pixels left as they are.

Each text is an iTXt chunk (W3C PNG, 11.3.3.4): UTF-8, not compressed, behind the header.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from qwenbatch.imaging.structure.png import CHECKSUM, CHUNK, HEADER_BYTES, SIGNATURE

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT: Final = b"iTXt"
_PLAIN: Final = b"\x00\x00\x00\x00\x00"
"""The keyword's end, no compression and its method, no language, no translated keyword."""

_HEAD_BYTES: Final = len(SIGNATURE) + CHUNK.size + HEADER_BYTES + CHECKSUM.size
_HEAD_START: Final = SIGNATURE + CHUNK.pack(HEADER_BYTES, b"IHDR")


def text_chunks(texts: Mapping[str, str]) -> bytes:
    """The chunks of texts by their keywords, which are 1 to 79 letters of Latin-1."""
    return b"".join(_chunk(keyword, text) for keyword, text in texts.items())


class TextInserter:
    """Passes a picture on, piece by piece, with chunks behind its header if it is a PNG.

    Whatever is no PNG passes as it is. Memory: a few dozen bytes.
    """

    def __init__(self, chunks: bytes) -> None:
        self._chunks = chunks
        self._head = b""
        self._passed = False
        self.inserted = False
        """Whether the chunks went in."""

    def feed(self, piece: bytes) -> bytes:
        """What is to be passed on of the picture, now that these bytes came."""
        if self._passed:
            return piece
        self._head += piece
        if len(self._head) >= _HEAD_BYTES and self._head.startswith(_HEAD_START):
            self.inserted = True
            head, rest = self._head[:_HEAD_BYTES], self._head[_HEAD_BYTES:]
            return self._pass_on(head + self._chunks + rest)
        if not _HEAD_START.startswith(self._head[: len(_HEAD_START)]):
            return self._pass_on(self._head)
        return b""

    def rest(self) -> bytes:
        """What was held of a picture that ended within its header."""
        return b"" if self._passed else self._pass_on(self._head)

    def _pass_on(self, data: bytes) -> bytes:
        self._passed, self._head = True, b""
        return data


def _chunk(keyword: str, text: str) -> bytes:
    words = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace")
    body = _TEXT + keyword.encode("latin-1") + _PLAIN + words
    return CHUNK.pack(len(body) - len(_TEXT), _TEXT) + body[4:] + CHECKSUM.pack(zlib.crc32(body))
