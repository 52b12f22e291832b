from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.sources import Problem
from qwenbatch.imaging.look import look
from qwenbatch.imaging.probe import examine
from tests.imaging.conftest import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def test_examine_hashes_and_looks_at_a_real_file(
    tmp_path: Path,
    photographs: Mapping[str, bytes],
) -> None:
    for name, data in photographs.items():
        path = tmp_path / name
        path.write_bytes(data)
        for buffering in (0, -1):
            with path.open("rb", buffering=buffering) as file:
                found = examine(file)
            assert found.sha256 == hashlib.sha256(data).digest()
            assert found.size == len(data)
            assert found.picture == look(io.BytesIO(data), len(data))
            assert found.problem is None


def test_examine_hashes_what_is_no_picture_too() -> None:
    whole = SAMPLES["jpeg-rgb"].data
    for data in (b"", b"words", whole[:-1], whole[:-1] + bytes(3_000_000)):
        found = examine(io.BytesIO(data))
        assert found.sha256 == hashlib.sha256(data).digest()
        assert found.size == len(data)
        assert found.picture is None
        assert isinstance(found.problem, Problem)
        assert found.problem.what
    assert examine(io.BytesIO(b"")).problem == Problem(
        "is empty (0 bytes)",
        "Export or copy it again from where it came from.",
    )


def test_examine_begins_at_the_start_wherever_the_file_stands() -> None:
    data = SAMPLES["gif"].data
    file = io.BytesIO(data)
    file.seek(7)
    assert examine(file) == examine(io.BytesIO(data))


class Unreadable(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error", size)


def test_examine_lets_reading_errors_pass() -> None:
    with pytest.raises(OSError, match="Input/output"):
        examine(Unreadable(b"x"))
