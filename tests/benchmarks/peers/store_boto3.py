"""Small reads or puts by boto3 in threads: `python -m … read|put COUNT`; it prints seconds."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import boto3  # type: ignore[import-untyped] # it ships no types
from botocore.config import Config  # type: ignore[import-untyped] # likewise

from tests.benchmarks.cheap_store import OBJECT

THREADS = 32


def main(what: str, count: int) -> float:
    """Do it, and say how long it took."""
    client = boto3.client("s3", config=Config(max_pool_connections=THREADS))

    def read(number: int) -> None:
        client.get_object(Bucket="bucket", Key=f"{number}.png")["Body"].read()

    def put(number: int) -> None:
        client.put_object(Bucket="bucket", Key=f"{number}.png", Body=OBJECT, IfNoneMatch="*")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, range(THREADS)))
        began = perf_counter()
        list(pool.map(read if what == "read" else put, range(count)))
        return perf_counter() - began


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2])))  # noqa: T201 - its answer
