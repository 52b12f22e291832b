"""Runs against the gateway with a rate and a latency, judged by its books."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Seen:
    """What the gateway saw of a run, which itself took `seconds`, start-up included."""

    accepted: tuple[float, ...]
    throttled: int
    seconds: float

    @property
    def rate(self) -> float:
        """Accepted requests a second, from the first to the last of them."""
        return (len(self.accepted) - 1) / (self.accepted[-1] - self.accepted[0])

    @property
    def throttled_share(self) -> float:
        """The share of all requests that was throttled."""
        return self.throttled / (self.throttled + len(self.accepted))

    @property
    def intervals(self) -> list[float]:
        """Seconds between one accepted request and the next."""
        return [b - a for a, b in zip(self.accepted, self.accepted[1:], strict=False)]


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with one small picture, and a gateway's address."""

    folder: Path
    base: str

    def run(self, edits: int, *options: str, stem: str = "edit") -> Seen:
        """Run so many new edits into one OUT; what the gateway saw of them."""
        before = self._books()
        manifest = self.folder / f"{stem}.jsonl"
        manifest.write_text(
            "".join(
                json.dumps(
                    {
                        "image": "source.png",
                        "instruction": f"{stem} {number}",
                        "output": f"{stem}-{number}.png",
                    },
                )
                + "\n"
                for number in range(edits)
            ),
        )
        began = time.monotonic()
        subprocess.run(
            [
                *(sys.executable, "-m", "qwenbatch", "run", str(manifest), "--quiet", "--yes"),
                *("--gateway", f"{self.base}/edit", "-o", str(self.folder / "out"), *options),
            ],
            check=True,
            env={**os.environ, "QWENBATCH_API_KEY": "bench"},
        )
        seconds = time.monotonic() - began
        after = self._books()
        return Seen(
            tuple(after["accepted"][len(before["accepted"]) :]),
            after["throttled"] - before["throttled"],
            seconds,
        )

    def _books(self) -> dict[str, Any]:
        with urlopen(f"{self.base}/books", timeout=10) as answer:  # noqa: S310 - loopback
            books: dict[str, Any] = json.load(answer)
        return books


@contextmanager
def limited(
    folder: Path,
    *,
    latency: tuple[float, float],
    rate: int | None = None,
) -> Iterator[Site]:
    """A gateway that takes `rate` edits a second, of `latency` seconds each; None: any rate."""
    folder.mkdir()
    source = folder / "source.png"
    Image.new("RGB", (64, 48), (200, 120, 40)).save(source)
    words = [str(source), *map(str, latency), *([] if rate is None else [str(rate)])]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.limited_gateway", *words],
        stdout=subprocess.PIPE,
        text=True,
    ) as gateway:
        if gateway.stdout is None:
            raise AssertionError  # it was asked for
        port = int(gateway.stdout.readline())
        try:
            yield Site(folder, f"http://127.0.0.1:{port}")
        finally:
            gateway.kill()
