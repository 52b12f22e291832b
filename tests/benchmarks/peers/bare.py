"""A bare loop, tuned by hand, that keeps no promise at all: `bare.py URL SOURCES OUT`.

pybase64, a body of bytes, a download streamed to the disk in large chunks; no key, no ledger, no
checksum, no flush, no retry.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import msgspec
import pybase64

IN_FLIGHT = 16
CHUNK = 256 * 1024
HEADERS = {"Content-Type": "application/json", "Ocp-Apim-Subscription-Key": "bench"}
HEAD = (
    b'{"model":"qwen-image-edit","input":{"messages":[{"role":"user","content":[{"image":'
    b'"data:image/jpeg;base64,'
)
TAIL = (
    b'"},{"text":"make the background white"}]}]},'
    b'"parameters":{"negative_prompt":"","watermark":false}}'
)


async def edit(session: aiohttp.ClientSession, url: str, source: Path, out: Path) -> None:
    """One picture, as cheaply as it goes."""
    body = b"".join((HEAD, pybase64.b64encode(source.read_bytes()), TAIL))
    async with session.post(url, data=body, headers=HEADERS) as answer:
        told = msgspec.json.decode(await answer.read())
    del body
    result = told["output"]["choices"][0]["message"]["content"][0]["image"]
    async with session.get(result) as response:
        with (out / f"{source.stem}.png").open("wb", buffering=0) as file:
            async for chunk in response.content.iter_chunked(CHUNK):
                file.write(chunk)


async def main() -> None:
    """Edit every picture of a folder."""
    url, sources, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    out.mkdir(parents=True)
    left = iter(sorted(sources.iterdir()))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=CHUNK) as session:

        async def worker() -> None:
            for source in left:
                await edit(session, url, source, out)

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


if __name__ == "__main__":
    asyncio.run(main())
