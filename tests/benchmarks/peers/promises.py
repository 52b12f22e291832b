"""The bare loop with what the promises cost at the very least: `promises.py URL SOURCES OUT`.

The same work on the same pictures, and besides: the source's SHA-256, a connection of its own for
each POST, the result's SHA-256 and checksums, a temporary file that is flushed and renamed, its
folder flushed. Still no ledger, permit, pace or retry; and the disk holds up the event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from pathlib import Path

import aiohttp
import msgspec
import pybase64
from zlib_ng.zlib_ng import crc32

from tests.benchmarks.peers.bare import CHUNK, HEAD, HEADERS, IN_FLIGHT, TAIL


async def edit(
    paying: aiohttp.ClientSession,
    fetching: aiohttp.ClientSession,
    url: str,
    source: Path,
    out: Path,
) -> None:
    """One picture, as cheaply as it goes."""
    picture = source.read_bytes()
    hashlib.sha256(picture).digest()
    body = b"".join((HEAD, pybase64.b64encode(picture), TAIL))
    del picture
    async with paying.post(url, data=body, headers=HEADERS) as answer:
        told = msgspec.json.decode(await answer.read())
    del body
    result = told["output"]["choices"][0]["message"]["content"][0]["image"]
    target, part = out / f"{source.stem}.png", out / f"{source.stem}.part"
    digest, checksum = hashlib.sha256(), 0
    async with fetching.get(result) as response:
        with part.open("wb", buffering=0) as file:
            async for chunk in response.content.iter_chunked(CHUNK):
                digest.update(chunk)
                checksum = crc32(chunk, checksum)
                file.write(chunk)
            os.fsync(file.fileno())
    digest.digest()
    part.rename(target)
    folder = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


async def main() -> None:
    """Edit every picture of a folder."""
    url, sources, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    out.mkdir(parents=True)
    left = iter(sorted(sources.iterdir()))
    once = aiohttp.TCPConnector(limit=0, force_close=True)
    async with (
        aiohttp.ClientSession(connector=once) as paying,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), read_bufsize=CHUNK
        ) as fetching,
    ):

        async def worker() -> None:
            for source in left:
                await edit(paying, fetching, url, source, out)

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


if __name__ == "__main__":
    asyncio.run(main())
