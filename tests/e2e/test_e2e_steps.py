"""A death at every step of an edit's life: the books and the ledger must agree afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.dying import PICTURE_STEPS, STEPS

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk, House

pytestmark = pytest.mark.soak

DRIVER = str(Path(__file__).with_name("dying.py"))
SEVERAL = 3
"""Which of the calls dies: in the middle of a run of six edits, others in flight."""

LATER = {"settle", "recover", "close"}
"""Steps that come once in a command."""

ALIKE = {"post", "answer read", "end", "download", "prepare", "rename", "save", "recover", "close"}
"""Steps at which a death is tried through OpenAI's door too, beside those of its own."""

MOMENTS = [
    (service, step, when)
    for service, steps in (("pixazo", [*STEPS]), ("openai", [*PICTURE_STEPS, *sorted(ALIKE)]))
    for step in steps
    for when in ("before", "after")
    if step != "settle"
]


def dies(desk: Desk, step: str, when: str, number: int, *words: str) -> None:
    """Run the command up to its death."""
    done = subprocess.run(
        [sys.executable, DRIVER, step, when, str(number), *words],
        cwd=desk.folder,
        env=desk.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, (step, when, done.stderr.decode())


def door_words(desk: Desk, service: str) -> list[str]:
    url = desk.house.sandbox.urls[service]
    return ["--service", service, "--gateway", url, "--price", "0.055"]


def run_words(desk: Desk, service: str) -> list[str]:
    words = ["run", "job.jsonl", *door_words(desk, service), "-o", str(desk.out)]
    return [*words, "--rate", "200", "-c", "4", "--json"]


@pytest.mark.parametrize(("service", "step", "when"), MOMENTS)
def test_e2e_a_death_at_this_step_loses_and_doubles_nothing(
    desk: Desk,
    house: House,
    service: str,
    step: str,
    when: str,
) -> None:
    through = partial(desk.run, *door_words(desk, service), gateway=False)
    rows = desk.items(6)
    if step == "move away":
        desk.rows(*rows)
        assert through().status == 0
        rows = [dict(row, instruction="invert " + row["instruction"]) for row in rows]
    desk.rows(*rows)
    more = ["--sidecar"] if step == "sidecar" else []
    dies(desk, step, when, 1 if step in LATER else SEVERAL, *run_words(desk, service), *more)

    ended = through()

    billed = house.billed()
    told = ended.told
    assert max(billed.values()) == 1, billed
    assert told["items"]["saved"] + told["items"]["uncertain"] == 6, told
    assert told["items"]["pending"] == told["items"]["failed"] == told["items"]["lost"] == 0
    paid, doubt = told["cost"]["ledger_total"], told["cost"]["exposure"]
    spent = round(sum(billed.values()) * 0.055, 6)
    assert paid <= spent + 1e-9, (paid, spent)
    assert spent <= round(paid + doubt, 6) + 1e-9, (spent, paid, doubt)
    for row in rows:
        path = desk.out / row["image"]
        if path.exists():
            desk.result(row["image"])
    assert len([name for name in desk.results() if name.endswith(".png")]) >= told["items"]["saved"]
    assert not list((desk.out / ".qwenbatch" / "tmp").iterdir())
    answers = desk.out / ".qwenbatch" / "answers"
    assert not (answers.exists() and list(answers.iterdir()))

    posts = house.posts()
    again = through()
    assert house.posts() == posts, "a resume sent what was paid or uncertain"
    assert again.told["items"]["saved"] == told["items"]["saved"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_e2e_a_death_while_settling_settles_all_or_nothing(
    desk: Desk,
    house: House,
    when: str,
) -> None:
    desk.rows(*desk.items(2))
    house.fail("gave_up", times=2)
    assert desk.run().items == {"total": 2, "uncertain": 2}
    dies(desk, "settle", when, 1, "settle", str(desk.out), "--as", "paid")
    assert desk.run().items == {"total": 2, "uncertain": 2}


def test_e2e_every_write_of_the_ledger_is_a_step() -> None:
    from qwenbatch.ledger.ledger import Ledger  # noqa: PLC0415 - beside what it is about

    reads = {"next_waiting", "placement", "claimed", "is_lost"}
    named = {path.rpartition(".")[2] for path in STEPS.values()}
    rare = {"release", "remember_kind", "want", "lose"}
    public = {name for name in vars(Ledger) if not name.startswith("_")}
    assert public <= named | reads | rare
