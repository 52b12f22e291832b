"""The package's names are there when they are asked for, and not before."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import qwenbatch


def loaded(text: str) -> set[str]:
    """The modules that a program has loaded in the end."""
    done = subprocess.run(
        [sys.executable, "-c", f"{text}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    assert {name for name in loaded("import qwenbatch") if name.startswith("qwenbatch")} == {
        "qwenbatch"
    }


def test_an_error_or_an_item_is_had_without_the_engine() -> None:
    modules = loaded("from qwenbatch import Item, Outcome, QwenbatchError")
    assert not modules & {"aiohttp", "anyio", "apsw", "PIL", "rich", "typer"}


def test_every_name_is_there_and_what_a_checker_sees_is_the_same() -> None:
    tree = ast.parse(Path(qwenbatch.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: f"qwenbatch.{qwenbatch._HOMES[alias.name]}" == node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qwenbatch.")
        for alias in node.names
    }
    assert seen == dict.fromkeys(qwenbatch.__all__, True)
    assert set(dir(qwenbatch)) >= {"__version__", *qwenbatch.__all__}
    for name in qwenbatch.__all__:
        assert getattr(qwenbatch, name).__doc__, name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'edit'"):
        getattr(qwenbatch, "edit")  # noqa: B009 - a checker knows that it is not there


def test_every_error_is_a_qwenbatch_error() -> None:
    errors = [getattr(qwenbatch, name) for name in qwenbatch.__all__ if name.endswith("Error")]
    assert len(errors) >= 6
    assert all(issubclass(error, qwenbatch.QwenbatchError) for error in errors)


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(qwenbatch.__file__).parent / "py.typed").is_file()
