"""The service page's own Python sample, in 16 threads: `threads.py URL SOURCES OUT`."""

from __future__ import annotations

import base64
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

IN_FLIGHT = 16
HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-cache",
    "Ocp-Apim-Subscription-Key": "bench",
}


def edit(url: str, source: Path, out: Path) -> None:
    """One picture, as the page shows it."""
    image = base64.b64encode(source.read_bytes()).decode("utf-8")
    data = {
        "model": "qwen-image-edit",
        "input": {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"image": f"data:image/jpeg;base64,{image}"},
                        {"text": "make the background white"},
                    ],
                },
            ],
        },
        "parameters": {"negative_prompt": "", "watermark": False},
    }
    answer = requests.post(url, headers=HEADERS, data=json.dumps(data), timeout=300)
    answer.raise_for_status()
    content = answer.json()["output"]["choices"][0]["message"]["content"]
    result = requests.get(content[0]["image"], timeout=300)
    result.raise_for_status()
    (out / f"{source.stem}.png").write_bytes(result.content)


def main() -> None:
    """Edit every picture of a folder."""
    url, sources, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    out.mkdir(parents=True)
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for done in [pool.submit(edit, url, source, out) for source in sorted(sources.iterdir())]:
            done.result()


if __name__ == "__main__":
    main()
