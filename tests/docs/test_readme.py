"""Every command of the README is run, and prints what the README says that it prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qwenbatch.cli.help_page import STATUSES
from qwenbatch.core.money import usd
from qwenbatch.core.stops import ExitStatus
from qwenbatch.gateway.doors import DOORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stores.s3 import S3

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
IMAGES = ROOT / "tests" / "images"


def commands() -> list[tuple[str, str]]:
    """Each command of the console blocks, and what it is said to print; `…` is anything."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """A sandbox that stands in for the paid service, so that the README costs nothing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "qwenbatch", "sandbox", "--key", "your-subscription-key"],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.terminate()
    process.wait(10)
    process.stdout.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has: the jobs of the project, and a folder of photographs."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "jobs", folder / "jobs")
    photos = folder / "photos"
    photos.mkdir()
    shutil.copy(IMAGES / "rocket.jpg", photos / "rocket.jpg")
    shutil.copy(IMAGES / "astronaut.png", photos / "astronaut.png")
    (photos / "again.png").write_bytes((IMAGES / "astronaut.png").read_bytes() + b"again")
    return folder


def bucket_like(photos: Path, s3: S3) -> dict[str, str]:
    """What leads to an S3 server with the photographs in a bucket."""
    shop = s3.make("shop")
    for photo in photos.iterdir():
        s3.put(shop / f"photos/{photo.name}", photo.read_bytes())
    return s3.environment()


def test_readme_commands_print_what_it_says(gateway: str, place: Path, s3: S3) -> None:
    shutil.rmtree(ROOT / "out" / "demo", ignore_errors=True)
    environment = dict(os.environ, QWENBATCH_GATEWAY=gateway, COLUMNS="100")
    environment |= bucket_like(place / "photos", s3)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    ran = 0
    for command, expected in commands():
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            environment[name] = value
            continue
        made = command.startswith("make ")
        variables = dict(environment)
        if "--sandbox" in command or made:
            del variables["QWENBATCH_GATEWAY"]
        done = subprocess.run(  # noqa: S602 - the README's own text
            command,
            shell=True,
            cwd=ROOT if made else place,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, (command, done.stdout)
        assert_prints(done.stdout, expected, command)
        ran += 1
    assert ran >= 6


def assert_prints(printed: str, expected: str, command: str) -> None:
    """The expected lines stand in what was printed, in their order; `…` is anything."""
    parts = [re.escape(part) for part in expected.strip().split("…")]
    assert re.search(r"[\s\S]*?".join(parts), printed), f"$ {command}\n{printed}\nnot: {expected}"


def test_readme_tells_every_exit_status() -> None:
    told = {
        int(number): meaning
        for numbers, meaning in re.findall(r"^\| ([\d, ]+) \| (.+?) \|$", README, re.MULTILINE)
        for number in numbers.split(",")
    }
    assert set(told) == {int(status) for status in ExitStatus}
    for status, meaning in STATUSES.items():
        assert meaning in told[status], status


def test_readme_names_every_dependency() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    assert block is not None
    table = README[README.index("| dependency |") :].lower()
    for name in re.findall(r'"([a-z0-9-]+)', block[1]):
        assert name in table, name


def test_readme_shows_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qwenbatch", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    for name in re.findall(r"^  ([a-z]+)  ", done.stdout, re.MULTILINE):
        assert f"qwenbatch {name} " in README, name


def test_readme_speaks_of_options_that_exist() -> None:
    others = {"--state", "--help", "--readme", "--served-model-name", "--head", "--num-cpus"}
    shown = "".join(
        subprocess.run(
            [sys.executable, "-m", "qwenbatch", *words],
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
            env=dict(os.environ, COLUMNS="200"),
        ).stdout
        for words in (["--help"], *([name, "--help"] for name in ("run", "status", "schedule")))
    )
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)):
        assert option in shown or option in others, option


def test_readme_tells_of_every_door_and_its_price() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (\$[\d.]+) \|$", README, re.MULTILINE))
    assert {name: f"{float(price[1:]):g}" for name, price in rows.items()} == {
        name: f"{usd(door.price):g}" for name, door in DOORS.items()
    }
