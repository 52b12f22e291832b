"""Prints the package's dependencies as pip takes them: as declared, or at their lowest versions."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
lowest = "--lowest" in sys.argv
sys.stdout.write(
    "\n".join(line.replace(">=", "==") if lowest else line for line in project["dependencies"]),
)
