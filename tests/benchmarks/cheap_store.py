"""An S3 server that costs next to nothing: `python -m tests.benchmarks.cheap_store`.

Every object holds the same bytes; what is put goes nowhere. It prints its port.
"""

from __future__ import annotations

import asyncio
import re
import sys

OBJECT = bytes(20 * 1024)
"""What every object holds: a small picture's worth."""

_find_length = re.compile(rb"content-length: *(\d+)", re.IGNORECASE).search
_find_expectation = re.compile(rb"expect: *100-continue", re.IGNORECASE).search
_STAMP = (
    b'ETag: "0123456789abcdef0123456789abcdef"\r\nLast-Modified: Sun, 01 Nov 2026 00:00:00 GMT\r\n'
)
_READ = b"HTTP/1.1 200 OK\r\n%bContent-Type: image/png\r\nContent-Length: %d\r\n\r\n%b" % (
    _STAMP,
    len(OBJECT),
    OBJECT,
)
_PUT = b"HTTP/1.1 200 OK\r\n%bContent-Length: 0\r\n\r\n" % _STAMP
_MOST_HEAD = 64 * 1024


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if _find_expectation(head):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            found = _find_length(head)
            if found:
                await reader.readexactly(int(found[1]))
            writer.write(_READ if head.startswith(b"GET") else _PUT)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=_MOST_HEAD)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
