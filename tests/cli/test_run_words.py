"""What `run` and `check` say to people before and after the work."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from qwenbatch.cli.app import command
from qwenbatch.cli.ending import command_again
from qwenbatch.core.stops import ExitStatus
from qwenbatch.core.summary import Cost, EditCounts, ItemCounts, Summary
from qwenbatch.errors import UsageError
from qwenbatch.gateway.doors.pixazo import PIXAZO
from qwenbatch.wiring.settings import api_key, our_variables

if TYPE_CHECKING:
    from pathlib import Path


def ended(status: ExitStatus) -> Summary:
    return Summary(
        run="r",
        stopped_by=None,
        exit_status=status,
        items=ItemCounts(total=1),
        edits=EditCounts(),
        cost=Cost(),
    )


def test_run_words_never_resend_in_the_next_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["q", "run", "a b.csv", "--resend-uncertain"])
    assert command_again(ended(ExitStatus.SAVED), out="o") is None
    assert command_again(ended(ExitStatus.CAP), out="o") == "qwenbatch run 'a b.csv'"
    again = command_again(ended(ExitStatus.UNCERTAIN), out="my out")
    assert again == "qwenbatch settle 'my out' --as 'paid|unpaid'"


@pytest.mark.parametrize(
    ("items", "again"),
    [
        (ItemCounts(total=2, saved=1, failed=1), "qwenbatch export o --state failed"),
        (ItemCounts(total=2, saved=1, lost=1), "qwenbatch export o --state lost"),
        (ItemCounts(total=2, failed=1, pending=1), "qwenbatch run a.csv"),
        (ItemCounts(total=2, failed=1, invalid=1), "qwenbatch run a.csv"),
    ],
)
def test_run_words_name_no_command_that_would_do_nothing(
    monkeypatch: pytest.MonkeyPatch,
    items: ItemCounts,
    again: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["q", "run", "a.csv"])
    assert command_again(replace(ended(ExitStatus.UNFINISHED), items=items), out="o") == again


def test_run_words_give_the_next_command_what_the_environment_gave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["q", "run", "a.csv", "--watermark"])
    for name, text in (
        ("OUT", "my out"),
        ("INSTRUCTION", "-x"),
        ("WATERMARK", "0"),
        ("STRICT", "true"),
        ("OVERWRITE", "no"),
        ("RETRY_KIND", "moderated,invalid"),
        ("API_KEY", "s3cret"),
        ("NAME", ""),
    ):
        monkeypatch.setenv(f"QWENBATCH_{name}", text)

    again = command_again(ended(ExitStatus.CAP), out="o")

    assert again is not None
    assert shlex.split(again) == [
        "qwenbatch",
        "run",
        "--instruction=-x",
        "--no-watermark",
        "--strict",
        "--out=my out",
        "--no-overwrite",
        "--retry-kind=moderated,invalid",
        "a.csv",
        "--watermark",
    ]


def test_run_words_tell_all_bad_rows_of_a_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"gone{number}.png,x\n" for number in range(30))
    (tmp_path / "bad.csv").write_text(f"image,instruction\n{rows}", encoding="utf-8")
    source, out = str(tmp_path / "bad.csv"), str(tmp_path / "out")
    assert command(["check", source, "-o", out]) == ExitStatus.UNFINISHED
    assert capsys.readouterr().err.count("not sent") == 30
    assert command(["check", source, "-o", out, "--quiet"]) == ExitStatus.UNFINISHED
    quiet = capsys.readouterr()
    assert quiet.out == ""
    assert quiet.err.startswith("qwenbatch: of 30 items: 30 invalid\n")


def test_run_words_say_that_there_was_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "zero.csv").write_text("image,instruction\n", encoding="utf-8")
    (tmp_path / "photos").mkdir()
    out = str(tmp_path / "out")
    assert command(["check", str(tmp_path / "zero.csv"), "-o", out]) == 0
    assert "zero.csv has no rows" in capsys.readouterr().err
    assert command(["check", str(tmp_path / "photos"), "-i", "x", "-o", out]) == 0
    assert "photos holds no pictures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--rate", "0"), "must be more than 0 and at most 10,000"),
        (("--max-cost", "10,50"), "write 10.50"),
        (("--budget", "0,055/day"), "write 10.50"),
    ],
)
def test_run_words_refuse_what_makes_no_sense(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    assert command(["run", str(tmp_path), "--sandbox", *arguments]) == ExitStatus.USAGE
    assert told in capsys.readouterr().err


def test_run_words_refuse_a_file_as_the_folder_of_results(
    shop: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = shop.picture("a.jpg")
    assert command(["check", str(picture.parent), "-i", "x", "-o", str(picture)]) == 2
    assert "it is a file, not a folder" in capsys.readouterr().err


def test_run_words_tell_an_empty_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ek").write_text("\n", encoding="utf-8")
    monkeypatch.delenv("QWENBATCH_API_KEY", raising=False)
    monkeypatch.setenv("QWENBATCH_API_KEY_FILE", str(tmp_path / "ek"))
    with pytest.raises(UsageError, match="ek, which is empty"):
        api_key(PIXAZO)


@pytest.mark.parametrize("key", ["two words", "a\nb", "schlüssel", "a\x1bb"])
def test_run_words_refuse_a_malformed_key(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWENBATCH_API_KEY", key)
    with pytest.raises(UsageError, match="characters that no key has") as caught:
        api_key(PIXAZO)
    assert key not in str(caught.value)


def test_run_words_take_no_key_among_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWENBATCH_API_KEY", "very-secret-key")
    monkeypatch.setenv("QWENBATCH_RATE", "3")
    assert our_variables()["QWENBATCH_RATE"] == "3"
    assert "very-secret-key" not in repr(our_variables())
    assert "very-secret-key" not in repr(api_key(PIXAZO))
