"""A source that changes while it is read is told from one that is no picture."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from qwenbatch.core.items import FileSource
from qwenbatch.core.sources import Problem
from qwenbatch.imaging.sources import examine_source
from tests.imaging.conftest import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path


def test_examine_source_that_changes_meanwhile_is_a_passing_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(SAMPLES["jpeg-rgb"].data)
    opened: list[str] = []

    def touch(event: str, arguments: tuple[object, ...]) -> None:
        # A hook stays for ever: it looks at this one file only.
        if event == "open" and arguments[0] == str(path):
            opened.append(str(path))
            if len(opened) == 2:  # its content was read, and is about to be looked at once more
                os.utime(path, (1, 1))

    sys.addaudithook(touch)

    found = examine_source(FileSource(str(path)))

    assert isinstance(found, Problem)
    assert found.passing
    assert not isinstance(examine_source(FileSource(str(path))), Problem)


def test_examine_source_that_is_gone_is_no_passing_problem(tmp_path: Path) -> None:
    found = examine_source(FileSource(str(tmp_path / "none.jpg")))
    assert isinstance(found, Problem)
    assert not found.passing
