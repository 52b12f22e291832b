"""The usual asyncio sample: `coroutines.py URL SOURCES OUT`.

aiohttp, `json=`, `gather`, a semaphore.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path

import aiohttp

IN_FLIGHT = 16
HEADERS = {"Cache-Control": "no-cache", "Ocp-Apim-Subscription-Key": "bench"}


async def edit(
    session: aiohttp.ClientSession,
    slots: asyncio.Semaphore,
    url: str,
    source: Path,
    out: Path,
) -> None:
    """One picture, as most would write it."""
    async with slots:
        image = base64.b64encode(source.read_bytes()).decode()
        content = [
            {"image": f"data:image/jpeg;base64,{image}"},
            {"text": "make the background white"},
        ]
        body = {
            "model": "qwen-image-edit",
            "input": {"messages": [{"role": "user", "content": content}]},
            "parameters": {"negative_prompt": "", "watermark": False},
        }
        async with session.post(url, json=body, headers=HEADERS) as answer:
            answer.raise_for_status()
            told = await answer.json()
        result = told["output"]["choices"][0]["message"]["content"][0]["image"]
        async with session.get(result) as response:
            response.raise_for_status()
            (out / f"{source.stem}.png").write_bytes(await response.read())


async def main() -> None:
    """Edit every picture of a folder."""
    url, sources, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    out.mkdir(parents=True)
    slots = asyncio.Semaphore(IN_FLIGHT)
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(
            *(edit(session, slots, url, source, out) for source in sorted(sources.iterdir())),
        )


if __name__ == "__main__":
    asyncio.run(main())
