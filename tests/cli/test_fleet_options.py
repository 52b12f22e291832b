"""What is said before a fleet is begun."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from qwenbatch.cli.options import Options
from qwenbatch.cli.settings import settings_of
from qwenbatch.errors import UsageError
from qwenbatch.wiring.again import command_of
from qwenbatch.wiring.fleet_view import FleetRun

if TYPE_CHECKING:
    from pathlib import Path


async def _yes(_: object) -> bool:
    return True


def test_address_makes_no_sense_without_the_engine(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--engine ray"):
        settings_of(Options(address="auto"), source=tmp_path)


def test_one_machine_has_no_more_in_flight_than_it_can(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1,000 of one machine"):
        settings_of(Options(concurrency=1001), source=tmp_path)
    assert settings_of(Options(concurrency=1001, engine="ray"), source=tmp_path).concurrency == 1001


def test_command_that_goes_on_names_the_fleet(tmp_path: Path) -> None:
    settings = settings_of(Options(engine="ray", address="auto"), source=tmp_path)
    assert {"--engine=ray", "--address=auto"} <= set(command_of(settings))


def test_missing_ray_is_one_sentence_and_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    settings = settings_of(Options(engine="ray"), source=tmp_path)
    with pytest.raises(UsageError) as missing:
        FleetRun(settings, report=lambda _: None, ask=_yes, approve=_yes)
    assert missing.value.advice == "pip install 'qwenbatch[ray]'"
