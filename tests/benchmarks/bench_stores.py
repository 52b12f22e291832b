"""Small reads and puts in an object store, against boto3 in as many threads."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.benchmarks.rows import Row, paired_ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5
COUNT = 2_000
_PEERS = "tests.benchmarks.peers"


def measure() -> Iterator[Row]:
    """How many times as many a second as boto3's, in turn against one server."""
    with _server() as environment:
        for what, words in (("read", "reads of 20 KB"), ("put", "conditional puts of 20 KB")):
            ours, peers = [], []
            for _ in range(ROUNDS):
                ours.append(COUNT / _seconds("store_ours", what, environment))
                peers.append(COUNT / _seconds("store_boto3", what, environment))
            yield Row(
                "stores",
                f"{words} a second, 32 at once, against boto3's threads",
                f"{paired_ratio(ours, peers):.1f} × ({sorted(ours)[ROUNDS // 2]:,.0f} a second)",
            )


def _seconds(peer: str, what: str, environment: dict[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-m", f"{_PEERS}.{peer}", what, str(COUNT)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


@contextmanager
def _server() -> Iterator[dict[str, str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.cheap_store"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        try:
            yield {
                **os.environ,
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "none",
                "AWS_SECRET_ACCESS_KEY": "none",
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
        finally:
            server.kill()
