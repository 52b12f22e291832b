"""`--service`, wherever it can be said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qwenbatch.cli.app import command
from qwenbatch.cli.settings import run_settings
from qwenbatch.cli.told import tell
from qwenbatch.errors import UsageError
from qwenbatch.gateway.doors import DOORS
from qwenbatch.wiring.again import command_of

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.wiring.settings import RunSettings

SERVER = "http://127.0.0.1:8000/v1/images/edits"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QWENBATCH_API_KEY", "k" * 20)
    path = tmp_path / "shop.csv"
    path.write_text("image,instruction\n", encoding="utf-8")
    return path


def settings(path: Path, **given: object) -> RunSettings:
    environment = {
        name: str(value) for name, value in given.items() if name.startswith("QWENBATCH_")
    }
    options = {name: value for name, value in given.items() if name not in environment}
    return run_settings(tell(str(path), options, environment=environment))


def test_service_brings_its_endpoint_and_its_price(shop: Path) -> None:
    told = settings(shop)
    assert (told.service, told.price) == ("pixazo", 55_000)
    assert told.gateway.startswith("https://gateway.pixazo.ai/")
    told = settings(shop, service="dashscope")
    assert (told.ledger_service, told.price) == ("dashscope", 45_000)
    assert told.gateway.startswith("https://dashscope-intl.aliyuncs.com/")
    told = settings(shop, service="openai", gateway=SERVER)
    assert (told.ledger_service, told.price, told.gateway) == ("openai", 0, SERVER)
    told = settings(shop, service="openai", gateway=SERVER, price="0.02")
    assert told.price == 20_000


def test_service_is_told_by_environment_and_job_file_too(shop: Path) -> None:
    assert settings(shop, QWENBATCH_SERVICE="dashscope").service == "dashscope"
    job = shop.with_suffix(".toml")
    job.write_text(f'source = "shop.csv"\nservice = "openai"\ngateway = "{SERVER}"\n')
    told = settings(job, QWENBATCH_SERVICE="")
    assert (told.service, told.gateway) == ("openai", SERVER)


def test_service_that_nobody_knows_is_refused_by_name(shop: Path) -> None:
    with pytest.raises(UsageError, match=r"pixazo.*dashscope.*openai") as refused:
        settings(shop, service="dalle")
    assert "--service" in refused.value.what


def test_service_of_ones_own_needs_a_gateway_but_in_the_sandbox(shop: Path) -> None:
    with pytest.raises(UsageError, match="needs --gateway") as refused:
        settings(shop, service="openai")
    assert "/v1/images/edits" in refused.value.advice
    told = settings(shop, service="openai", sandbox=True)
    assert (told.ledger_service, told.gateway, told.price) == ("sandbox", "", 0)
    with pytest.raises(UsageError, match="exclude each other"):
        settings(shop, service="openai", sandbox=True, gateway=SERVER)


def test_service_is_in_the_command_that_starts_the_run_again(shop: Path) -> None:
    again = command_of(settings(shop, service="openai", gateway=SERVER))
    assert "--service=openai" in again
    assert f"--gateway={SERVER}" in again
    assert not [word for word in again if word.startswith("--price")]
    assert "--price=0.055" in command_of(
        settings(shop, service="openai", gateway=SERVER, price="0.055")
    )
    assert not [word for word in command_of(settings(shop)) if word.startswith("--service")]


def test_service_and_what_it_implies_are_shown_by_a_dry_run(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", str(shop), "-o", str(shop.parent / "out"), "--dry-run"]
    assert command([*words, "--service", "dashscope"]) == 0
    shown = {
        line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line
    }
    assert shown["service"] == ["dashscope", "option"]
    assert shown["gateway"] == [str(DOORS["dashscope"].endpoint), "default"]
    assert shown["price"] == ["$0.045", "default"]


def test_service_without_an_endpoint_is_a_finding_of_doctor(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QWENBATCH_API_KEY")
    assert command(["doctor", "--service", "openai", "-o", str(shop.parent)]) == 3
    shown = capsys.readouterr().out
    assert "openai has no endpoint that all share" in shown
    assert "none, and openai may need none" in shown
    assert command(["doctor", "--service", "openai", "--gateway", "http://127.0.0.1:9/x"]) == 3
    assert "openai: 127.0.0.1" in capsys.readouterr().out


def test_service_that_needs_no_key_is_scheduled_without_one(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(shop.parent / "config"))
    monkeypatch.delenv("QWENBATCH_API_KEY_FILE", raising=False)
    job = shop.with_suffix(".toml")
    for service, named in (("openai", False), ("dashscope", True)):
        job.write_text(
            f'source = "shop.csv"\nservice = "{service}"\ngateway = "{SERVER}"\nbudget = "5/day"\n'
        )
        assert command(["schedule", str(job), "--at", "02:00", "--cron"]) == 0
        assert ("QWENBATCH_API_KEY_FILE" in capsys.readouterr().out) is named
