"""What is loaded before it is needed: nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {
    "PIL",
    "aiohttp",
    "anyio",
    "apsw",
    "asyncio",
    "email",
    "pydantic",
    "pybase64",
    "rich",
    "ssl",
    "yarl",
}
TELL = """
import sys
from qwenbatch.__main__ import main
sys.argv = ["qwenbatch", *sys.argv[1:]]
try:
    main()
finally:
    sys.stderr.write(" ".join(sys.modules))
"""


def loaded(*words: str) -> set[str]:
    """The modules that are loaded when a command line has been answered."""
    done = subprocess.run(
        [sys.executable, "-c", TELL, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert "qwenbatch.__main__" in done.stderr, done.stderr
    return set(done.stderr.split())


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_startup_of_the_version_loads_nothing_but_the_program() -> None:
    modules = loaded("--version")
    assert not packages(modules) & (HEAVY | {"typer", "msgspec"})
    assert {name for name in modules if name.startswith("qwenbatch")} == {
        "qwenbatch",
        "qwenbatch.__main__",
    }


@pytest.mark.parametrize("words", ["--help", "run --help", "check --help", "status --help", "run"])
def test_startup_of_help_loads_nothing_heavy(words: str) -> None:
    assert not packages(loaded(*words.split())) & HEAVY


def test_startup_loads_only_the_command_that_is_asked_for() -> None:
    modules = loaded("settle", "--help")
    assert "qwenbatch.cli.settle" in modules
    others = {"run", "check", "export", "audit", "doctor", "sandbox"}
    assert not {f"qwenbatch.cli.{name}" for name in others} & modules


def test_startup_of_a_check_loads_neither_gateway_nor_pictures(tmp_path: Path) -> None:
    empty = tmp_path / "none.csv"
    empty.write_text("image,instruction\n", encoding="utf-8")
    modules = loaded("check", str(empty), "-o", str(tmp_path / "out"))
    assert "qwenbatch.wiring.checking" in modules
    assert not packages(modules) & {"PIL", "aiohttp", "pydantic", "markdown_it", "pygments"}


def test_startup_of_completion_loads_nothing_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_QWENBATCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "qwenbatch run --conc")
    monkeypatch.setenv("COMP_CWORD", "2")
    modules = loaded()
    assert "qwenbatch.cli.run" in modules
    assert not packages(modules) & HEAVY
