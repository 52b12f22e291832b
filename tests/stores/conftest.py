from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from qwenbatch.stores.opening import Stores
from tests.results.conftest import StoreRoom

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.core.store_url import StoreUrl
    from qwenbatch.stores.bucket import Bucket
    from tests.stores.s3 import S3

PATIENCE = 0.5
"""Seconds for which these tests' stores try again."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def bucket(store: StoreUrl) -> Bucket:
    return Stores(os.environ, patience=PATIENCE).bucket(store)


@pytest.fixture
def room(tmp_path: Path, s3: S3, store: StoreUrl) -> StoreRoom:
    return StoreRoom(tmp_path / "desk", s3, store / "out", patience=PATIENCE)
