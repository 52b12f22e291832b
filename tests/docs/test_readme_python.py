"""The README's programs: the first is run as it stands there, all of them are Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "tests" / "docs" / "from_python.py"
"""What the README shows, as the type checker sees it."""


def programs() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_readme_program_does_what_it_says(tmp_path: Path) -> None:
    assert programs()[0] == EXAMPLE.read_text(encoding="utf-8")
    (tmp_path / "photos").mkdir()
    shutil.copy(ROOT / "tests" / "images" / "rocket.jpg", tmp_path / "photos" / "rocket.jpg")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("QWENBATCH_")
    }
    done = subprocess.run(
        [sys.executable, "-c", programs()[0]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    first, spent, again, last = done.stdout.splitlines()
    result = tmp_path / "out" / "photos-tagless" / "photos" / "rocket.png"
    assert first == f"{tmp_path}/photos/rocket.jpg saved {result}"
    assert result.is_file()
    assert spent == "$0.055 None"
    assert again.startswith("Outcome(number=1")
    assert last == "1 saved, 0 paid now"


def test_readme_programs_are_python_and_use_only_what_the_package_has() -> None:
    import qwenbatch  # noqa: PLC0415 - the others of this file do not need it

    assert len(programs()) >= 2
    for program in programs():
        compile(program, "README.md", "exec", dont_inherit=True)
        for name in re.findall(r"\bqwenbatch\.(\w+)", program):
            assert name in qwenbatch.__all__, name
