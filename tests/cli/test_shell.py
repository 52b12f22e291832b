"""Completion as real shells do it, and what a mistyped command line is told."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qwenbatch.cli.app import command
from qwenbatch.cli.commands import COMMANDS
from qwenbatch.cli.help_page import STATUSES
from qwenbatch.core.stops import ExitStatus

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60.0
"""Seconds within which a shell must have answered."""


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        shutil.which(package) is None, reason=f"needs the system package {package}"
    )


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which `qwenbatch` is this one, and a home that is nobody's."""
    program = tmp_path / "bin" / "qwenbatch"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m qwenbatch "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TERM": "dumb",
    }


def said(*words: str, env: dict[str, str]) -> str:
    done = subprocess.run(
        words, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_bash_completes_commands_options_and_values(shell: dict[str, str]) -> None:
    script = "source <(qwenbatch --show-completion)\n" + "".join(
        f"COMP_WORDS=({line}); COMP_CWORD={len(line.split()) - 1}\n"
        '_qwenbatch_completion qwenbatch; echo "${COMPREPLY[@]}"\n'
        for line in (
            "qwenbatch sta",
            "qwenbatch run --concu",
            "qwenbatch run x --no-stri",
            "qwenbatch run x --retry-kind mod",
            "qwenbatch run x --rate 3 --rat",
        )
    )
    told = said("bash", "--norc", "-c", script, env=shell).split("\n")
    assert told[:-1] == ["status", "--concurrency", "--no-strict", "moderated", ""]


@needs("fish")
def test_fish_completes_commands_and_options(shell: dict[str, str]) -> None:
    shell["_QWENBATCH_COMPLETE"] = "source_fish"
    script = said("qwenbatch", env=shell)
    del shell["_QWENBATCH_COMPLETE"]
    wanted = "complete -C 'qwenbatch sta'\ncomplete -C 'qwenbatch run --concu'\n"
    told = said("fish", "--no-config", "-c", script + wanted, env=shell).splitlines()
    assert [line.split("\t")[0] for line in told] == ["status", "--concurrency"]


@needs("zsh")
def test_zsh_completes_commands_and_options(shell: dict[str, str]) -> None:
    shell["_QWENBATCH_COMPLETE"] = "source_zsh"
    script = Path(shell["HOME"]) / "_qwenbatch"
    script.write_text(said("qwenbatch", env=shell), encoding="utf-8")
    del shell["_QWENBATCH_COMPLETE"]
    begin = f"autoload -Uz compinit; compinit -u; source {script}; unset zle_bracketed_paste\n"
    lines = (begin, "qwenbatch sta\t-h\n", "qwenbatch run --concu\t-h\n", "exit\n")
    told = typed_into("zsh", "-f", "-i", lines=lines, env=shell)
    assert "status -h" in told
    assert "run --concurrency -h" in told


def typed_into(*words: str, lines: tuple[str, ...], env: dict[str, str]) -> str:
    """Type each line when the prompt is there; all that the terminal showed."""
    marked = {**env, "PS1": "READY> ", "PROMPT": "READY> "}
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(words[0], words, marked)  # noqa: S606 - the shell under test
    shown, end = "", time.monotonic() + PATIENCE
    for number, line in enumerate(lines):
        while shown.count("READY> ") <= number and time.monotonic() < end:
            shown += _read(terminal)
        os.write(terminal, line.encode())
    while (more := _read(terminal)) and time.monotonic() < end:
        shown += more
    os.close(terminal)
    os.waitpid(child, 0)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|.\x08", "", shown)


def _read(terminal: int) -> str:
    ready, _, _ = select.select([terminal], [], [], PATIENCE)
    try:
        return os.read(terminal, 65_536).decode(errors="replace") if ready else ""
    except OSError:
        return ""  # the shell has gone


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("stauts", "did you mean status"),
        ("--verzion", "there is no option --verzion\n  did you mean --version?"),
        ("run", "SOURCE is missing"),
        ("run . --concurency 3", "did you mean --concurrency"),
        ("run . --ledger s3://b/l.db", "lies in an object store: name a file on this machine"),
        ("status out --ledger S3://b/l.db", "lies in an object store: name a file on this"),
        ("export out --to gs://b/x.csv", "lies in an object store: name a file on this machine"),
        ("run s3://b/night.toml", "lies in an object store: name a file on this machine"),
        ("schedule . --zzz", "there is no option --zzz"),
        (
            "run . --instructions x",
            "there is no option --instructions\n  did you mean --instruction?\n",
        ),
        ("run . --out", "--out wants a value"),
        ("run . --strict=3", "--strict takes no value"),
        ("run . make it white", "'make' is one word too many"),
        ("run . --api-key k", "QWENBATCH_API_KEY"),
        ("check . --rate fast", "--rate: 'fast' is no number"),
        ("check . -c 0", "--concurrency: 0 is not from 1 to 10,000"),
        ("check . --log-format yaml", "--log-format: there is no such choice as 'yaml'"),
        ("sandbox --port x", "--port: 'x' is no whole number"),
        ("settle o --as pad", "--as: there is no such choice as 'pad': did you mean paid?"),
        ("doctor --gateway ftp://x", "--gateway: it must be the whole http(s) address"),
        ("jobs/nightly.toml", "to edit what is there: qwenbatch run jobs/nightly.toml"),
        ("run jobs/demo.josnl", "Did you mean demo.jsonl?"),
        ("run jobs/x.jsonl", "Look for its spelling"),
        ("run job/demo.jsonl", "There is no folder job in"),
        ("run jobz/demo.jsonl", "Did you mean jobs?"),
    ],
)
def test_mistyped_lines_are_answered_with_what_lies_near(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str, told: str
) -> None:
    monkeypatch.chdir(ROOT)
    assert command(line.split()) == ExitStatus.USAGE
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_help_fits_and_names_everything(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in (["--help"], *([name, "--help"] for name in COMMANDS)):
        assert command(words) == 0
        page = capsys.readouterr().out
        example = re.compile(r"^  qwenbatch .*$", re.MULTILINE)
        assert max(map(len, example.sub("", page).splitlines())) <= columns
        assert "\x1b" not in page
        assert page.startswith("Usage: qwenbatch ")
        if words != ["--help"]:
            assert example.search(page), words
    assert command(["--help"]) == 0
    overview = capsys.readouterr().out
    assert all(f"\n  {name}  " in overview for name in COMMANDS)


def test_help_tells_every_exit_status_as_the_readme_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(STATUSES) == set(ExitStatus)
    for words in (["--help"], ["run", "--help"]):
        assert command(words) == 0
        page = " ".join(capsys.readouterr().out.split())
        for status, meaning in STATUSES.items():
            assert f" {int(status)} {meaning}" in page
            assert meaning.split("; a failed")[0] in readme
