"""Runs through every door to the model, and deaths around a picture that came in its answer."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qwenbatch.core.money import usd
from qwenbatch.gateway.doors import DOORS
from qwenbatch.ledger import database

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk, Ended, House

DRIVER = str(Path(__file__).with_name("dying.py"))


def through(house: House, service: str) -> list[str]:
    """The words that lead a run through a door."""
    return ["--service", service, "--gateway", house.sandbox.urls[service]]


def run(desk: Desk, service: str, *words: object, env: dict[str, str] | None = None) -> Ended:
    return desk.run(*through(desk.house, service), *words, gateway=False, env=env)


def kept(desk: Desk) -> list[str]:
    """The pictures that wait in OUT's answers."""
    folder = desk.out / ".qwenbatch" / "answers"
    return [file.name for file in folder.iterdir()] if folder.exists() else []


@pytest.mark.parametrize("service", DOORS)
def test_e2e_door_edits_a_folder_once(desk: Desk, house: House, service: str) -> None:
    for number in range(3):
        desk.picture(f"photos/{number}.png", number)
    words = ("--instruction", "mirror it", "--max-cost", "1")
    first = desk.run(*through(house, service), *words, gateway=False, source="photos")
    assert (first.status, first.items) == (0, {"total": 3, "saved": 3})
    assert first.cost["spent"] == pytest.approx(3 * usd(DOORS[service].price))
    again = desk.run(*through(house, service), *words, gateway=False, source="photos")
    assert again.items == {"total": 3, "saved": 3, "reused": 3}
    assert house.posts() == house.books()["billed"] == 3
    for number in range(3):
        desk.result(f"{number}.png")
    assert kept(desk) == []


@pytest.mark.parametrize("service", DOORS)
def test_e2e_door_survives_what_goes_wrong_behind_it(
    desk: Desk, house: House, service: str
) -> None:
    """One of each: refused, tried again, uncertain, a result that arrives broken first."""
    desk.rows(*desk.items(5))
    house.fail("moderated", match="p00")
    house.fail("server_error", match="p01")
    house.fail("cut_off", match="p02")
    house.fail("throttled", match="p03")
    house.fail("result_slow", match="p04", delay=0.2)
    ended = run(desk, service)
    assert (ended.status, ended.items) == (
        4,
        {"total": 5, "saved": 3, "failed": 1, "uncertain": 1},
    )
    assert ended.told["failures"] == {"moderated": 1, "cut_off": 1}
    posts = house.posts()
    assert run(desk, service).items["uncertain"] == 1
    assert house.posts() == posts
    assert max(house.billed().values()) == 1


def test_e2e_ledger_of_one_service_refuses_another(desk: Desk) -> None:
    desk.rows(*desk.items(1))
    assert run(desk, "dashscope").status == 0
    refused = desk.start(*through(desk.house, "openai"), gateway=False).wait()
    assert refused.status == 2
    assert "dashscope" in refused.stderr


def test_e2e_openai_says_before_it_sends_which_rows_it_cannot_edit(
    desk: Desk, house: House
) -> None:
    rows = desk.items(3)
    rows[0]["watermark"] = True
    rows[1]["image"] = f"{house.sandbox.base_url}/photo.png"
    desk.rows(*rows)
    words = (*through(house, "openai"),)
    checked = desk.start(*words, command="check", gateway=False).wait()
    assert checked.items == {"total": 3, "invalid": 2, "pending": 1}
    assert "job.jsonl:1, watermark" in checked.stderr
    assert "this service has no watermark" in checked.stderr
    assert "job.jsonl:2, image" in checked.stderr
    assert "takes no URLs" in checked.stderr
    assert run(desk, "openai").items == {"total": 3, "saved": 1, "invalid": 2}
    assert house.posts() == 1


def test_e2e_openai_needs_no_key_of_ours(desk: Desk, house: House) -> None:
    """Whether a server wants one is its own affair: this one does."""
    desk.rows(*desk.items(1))
    keyless = {name: value for name, value in desk.environment.items() if "KEY" not in name}
    ended = run(desk, "openai", env=keyless)
    assert (ended.status, ended.told["stopped_by"]) == (7, "denied")
    assert house.books()["billed"] == 0
    paid = desk.start(*through(house, "dashscope"), gateway=False, env=keyless).wait()
    assert paid.status == 2
    assert "there is no key" in paid.stderr


def test_e2e_takes_of_one_picture_are_edits_of_their_own(desk: Desk, house: House) -> None:
    rows = [dict(desk.items(1)[0], take=take, output=f"{take}.png") for take in (1, 2)]
    desk.rows(*rows)
    assert run(desk, "openai").items == {"total": 2, "saved": 2}
    assert house.books()["billed"] == 2


def test_e2e_deleted_result_that_came_in_its_answer_is_lost_and_resent_only_if_asked(
    desk: Desk, house: House
) -> None:
    desk.rows(*desk.items(1))
    run(desk, "openai")
    (desk.out / "p00.png").unlink()
    lost = run(desk, "openai")
    assert (lost.status, lost.items) == (3, {"total": 1, "lost": 1})
    assert house.posts() == 1
    assert run(desk, "openai", "--resend-lost").items == {"total": 1, "saved": 1}
    assert house.posts() == 2


def dies(desk: Desk, step: str, when: str, number: int) -> None:
    """Run through OpenAI's door, one edit at a time, up to its death."""
    words: list[Any] = ["run", "job.jsonl", *through(desk.house, "openai"), "-o", desk.out]
    words += ["--rate", "200", "-c", "1", "--json"]
    done = subprocess.run(
        [sys.executable, DRIVER, step, when, str(number), *map(str, words)],
        cwd=desk.folder,
        env=desk.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.parametrize(
    ("step", "when", "uncertain"),
    [
        ("picture piece", "before", 1),
        ("picture piece", "after", 1),
        ("keep picture", "before", 1),
        ("keep picture", "after", 0),
        ("end", "before", 0),
        ("end", "after", 0),
        ("forget picture", "before", 0),
        ("forget picture", "after", 0),
    ],
)
def test_e2e_death_around_a_picture_in_its_answer_pays_nothing_twice(
    desk: Desk, house: House, step: str, when: str, uncertain: int
) -> None:
    desk.rows(*desk.items(3))
    # The last one's, where another edit would be in flight meanwhile.
    dies(desk, step, when, 3 if step == "forget picture" else 2)
    ended = run(desk, "openai")
    wanted = {"total": 3, "saved": 3 - uncertain, "reused": ended.items["reused"]}
    assert ended.items == ({**wanted, "uncertain": 1} if uncertain else wanted)
    assert house.billed() == {f"mirror p{number:02}": 1 for number in range(3)}
    assert ended.told["cost"]["maybe_twice"] == 0
    assert kept(desk) == []
    for name in desk.results():
        desk.result(name)


def test_e2e_settling_hears_an_answer_that_a_death_kept_from_the_ledger(
    desk: Desk, house: House
) -> None:
    desk.rows(*desk.items(1))
    dies(desk, "keep picture", "after", 1)
    assert len(kept(desk)) == 1
    settled = subprocess.run(
        [sys.executable, "-m", "qwenbatch", "settle", str(desk.out), "--as", "unpaid"],
        cwd=desk.folder,
        env=desk.environment,
        check=True,
        capture_output=True,
    )
    assert b"nothing" in settled.stdout
    assert run(desk, "openai").items == {"total": 1, "saved": 1, "reused": 1}
    assert house.posts() == 1


def forget_ledger(desk: Desk) -> Path:
    """Remove OUT's ledger; where it was."""
    own = desk.out / ".qwenbatch"
    for file in own.glob("ledger.db*"):
        file.unlink()
    return own / "ledger.db"


def test_e2e_picture_in_its_answer_outlives_the_ledger(desk: Desk, house: House) -> None:
    desk.rows(*desk.items(1))
    dies(desk, "keep picture", "after", 1)
    forget_ledger(desk)
    assert run(desk, "openai").items == {"total": 1, "saved": 1, "reused": 1}
    assert house.posts() == 1
    assert kept(desk) == []


def test_e2e_settling_a_rebuilt_ledger_counts_its_own_services_price(desk: Desk) -> None:
    desk.rows(*desk.items(1))
    dies(desk, "keep picture", "after", 1)
    ledger = forget_ledger(desk)
    database.create_or_open(ledger, service="openai").close()
    settled = ["-m", "qwenbatch", "settle", str(desk.out), "--as", "paid"]
    subprocess.run([sys.executable, *settled], env=desk.environment, check=True)
    with closing(database.open_reader(ledger)) as db:
        assert db.execute("SELECT state, price FROM attempts").fetchall() == [("paid", 0)]
