"""Job files: read with line and column, and what each option is told by whom."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.cli.app import command
from qwenbatch.cli.forms import Wants
from qwenbatch.cli.job_file import MOST_BYTES, read_job_file
from qwenbatch.cli.options import OPTIONS
from qwenbatch.cli.told import tell
from qwenbatch.core.stops import ExitStatus
from qwenbatch.errors import UsageError
from qwenbatch.gateway.doors.pixazo import PIXAZO

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def job(tmp_path: Path) -> Any:
    """Writes a job file beside an empty manifest, and gives its path."""
    (tmp_path / "shop.csv").write_text("image,instruction\n", encoding="utf-8")

    def write(text: str, *, source: str = 'source = "shop.csv"\n') -> Path:
        path = tmp_path / "night.toml"
        path.write_text(source + text, encoding="utf-8")
        return path

    return write


def origins(path: Path, **typed: Any) -> dict[str, str]:
    return {setting.name: setting.origin for setting in tell(str(path), typed).settings}


def test_job_file_gives_options_and_is_outranked(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = job('rate = 3.5\nconcurrency = 8\nstrict = true\nattempts = 2\nout = "../o"\n')
    monkeypatch.setenv("QWENBATCH_CONCURRENCY", "9")
    monkeypatch.setenv("QWENBATCH_ATTEMPTS", "5")

    told = tell(str(path), {"attempts": "7", "strict": False})

    options = told.options
    assert (options.rate, options.concurrency, options.attempts) == (3.5, 9, 7)
    assert not options.strict
    assert told.source == path.parent / "shop.csv"
    assert options.out == path.parent.parent / "o"
    assert {
        name: origin
        for name, origin in origins(path, attempts="7", strict=False).items()
        if origin != "default"
    } == {
        "source": "job file line 1",
        "rate": "job file line 2",
        "concurrency": "environment QWENBATCH_CONCURRENCY",
        "strict": "option",
        "attempts": "option",
        "out": "job file line 6",
    }


def test_job_file_takes_every_option_that_may_stand(job: Any) -> None:
    words = {"until": '"06:00"', "gateway": '"http://127.0.0.1:1/x"', "log-format": '"json"'}
    lines = [
        f"{row.name} = {words.get(row.name, row.option.form.example)}"
        for row in OPTIONS.values()
        if not row.option.only_typed
    ]
    told = tell(str(job("\n".join(lines) + "\n")), {})
    standing = {setting.name for setting in told.settings if setting.origin.startswith("job")}
    assert standing == {"source", *OPTIONS} - {"resend-uncertain", "resend-lost"}


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("max_cost = 3", "2:1", "did you mean max-cost?"),
        ("concurency = 3", "2:1", "did you mean concurrency?"),
        ("  frobnicate = 3", "2:3", "names every option"),
        ('rate = "3"', "2:8", "rate wants a number, and this is a string"),
        ("concurrency = 3.5", "2:15", "wants a whole number, and this is a number"),
        ("concurrency = true", "2:15", "this is true or false"),
        ("strict = 1", "2:10", "wants true or false, and this is a whole number"),
        ("until = 06:00:00", "2:9", 'this is a date or a time\n  write it as until = "06:00"'),
        ("retry-kind = [1]", "2:14", "a string or a list of strings, and this is a list"),
        ('retry-kind = ["moderatd"]', "2:14", "did you mean moderated?"),
        ("concurrency = 50000", "2:15", "50,000 is not from 1 to 10,000"),
        ("price = inf", "2:9", "no amount in US dollars"),
        ('name = "{nose}"', "2:8", "unknown field {nose}"),
        ("resend-uncertain = false", "2:1", "type --resend-uncertain in the one run"),
        ("resend_lost = true", "2:1", "type --resend-lost in the one run"),
        ('api-key = "s3cret"', "2:1", "QWENBATCH_API_KEY"),
        ("[run]\nrate = 2", "2:1", "no sections"),
        ("rate = = 2", "2:8", "it is no TOML"),
        ("rate = 2\nrate = 3", "3:1", "it is no TOML"),
        ('instruction = """\nrate = 7\n"""\nlimit = "x"', "5:9", "limit wants"),
        ('retry-kind = [\n  "moderated",\n  "lost",\n]', "2:14", "there is no kind 'lost'"),
        ("a = " + "9" * 5000, "", "beyond all measure"),
        ("a = " + "[" * 5000, "", "it is no TOML"),
    ],
)
def test_job_file_error_names_line_and_column(
    job: Any, capsys: pytest.CaptureFixture[str], text: str, where: str, told: str
) -> None:
    path = job(text)
    assert command(["check", str(path)]) == ExitStatus.USAGE
    said = capsys.readouterr().err
    assert f"{path}:{where}" in said
    assert told in said
    assert "s3cret" not in said


def test_job_file_without_a_usable_source_is_refused(
    job: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for source, told in (
        ("", "does not say what to edit"),
        ('source = "shp.csv"\n', "night.toml:1:10: There is no shp.csv"),
        ('source = "night.toml"\n', "cannot be another job file"),
    ):
        assert command(["check", str(job("", source=source))]) == ExitStatus.USAGE
        assert told in capsys.readouterr().err
    assert command(["run", str(job("").with_name("nihgt.toml"))]) == ExitStatus.USAGE
    assert "Did you mean night.toml?" in capsys.readouterr().err


def test_job_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"source = 'x'\nout = '\xff'\n")
    with pytest.raises(UsageError, match=r"a\.toml:2: it is not UTF-8"):
        read_job_file(path)
    path.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(UsageError, match="it is no job file"):
        read_job_file(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_job_file(tmp_path)


_texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=30)


@given(
    instruction=_texts.filter(str.strip),
    comments=st.lists(st.sampled_from(["", "# rate = 9", "  "]), max_size=5),
)
def test_job_file_finds_the_line_whatever_stands_before(
    tmp_path_factory: pytest.TempPathFactory, instruction: str, comments: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("job")
    (folder / "shop.csv").touch()
    long = json.dumps(instruction + "\nrate = 9").replace("\\n", "\n").replace("\x7f", "\\u007f")
    text = f'source = "shop.csv"\ninstruction = ""{long}""\n' + "\n".join([*comments, "rate = 4"])
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    (folder / "j.toml").write_text(text, encoding="utf-8", newline="")

    entries = read_job_file(folder / "j.toml").entries

    assert entries["rate"].text == "4"
    assert entries["rate"].line == text.count("\n") + 1


def test_job_file_in_the_environment_never_resends(
    job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWENBATCH_RESEND_UNCERTAIN", "1")
    with pytest.raises(UsageError, match="taken from the command line alone"):
        tell(str(job("")), {})


def test_job_file_run_tells_a_mistyped_variable(
    job: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWENBATCH_CONCURENCY", "8")
    monkeypatch.setenv("QWENBATCH_API_KEY", "k")
    assert command(["check", str(job(""))]) == 0
    said = capsys.readouterr().err
    assert "QWENBATCH_CONCURENCY is not known" in said
    assert "did you mean QWENBATCH_CONCURRENCY?" in said
    assert "QWENBATCH_API_KEY" not in said
    assert command(["check", str(job("quiet = true"))]) == 0
    assert capsys.readouterr().err == ""


def test_job_file_values_from_the_environment_are_blamed_on_it(
    job: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWENBATCH_RATE", "fast")
    monkeypatch.setenv("QWENBATCH_STRICT", "")
    assert command(["check", str(job(""))]) == ExitStatus.USAGE
    assert "QWENBATCH_RATE: 'fast' is no number" in capsys.readouterr().err


def test_job_file_dry_run_shows_settings_and_origins(
    job: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWENBATCH_ATTEMPTS", "3")
    assert command(["run", str(job("rate = 3")), "--dry-run", "-c", "4"]) == 0
    shown = re.sub(r" {2,}", "  ", capsys.readouterr().out).splitlines()
    for line in (
        "option  value  from",
        "concurrency  4  option",
        "attempts  3  environment QWENBATCH_ATTEMPTS",
        "rate  3  job file line 2",
        "price  $0.055  default",
    ):
        assert line in shown
    assert command(["run", str(job("rate = 3")), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"]["total"] == 0


def test_job_file_dry_run_keeps_its_table_narrow_and_long_values_whole(
    job: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    instruction = "make the background as white as snow, and keep the shadow"
    job_file = str(job(f'instruction = "{instruction}"'))
    assert command(["run", job_file, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert f"  {instruction}  job file line" in shown
    assert f"  {PIXAZO.endpoint}  default" in shown
    wide = [line for line in shown.splitlines() if len(line) > 79]
    assert all(line.startswith(("source", "out", "gateway", "instruction")) for line in wide)

    assert command(["run", job_file, "--dry-run", "--sandbox"]) == 0
    assert str(PIXAZO.endpoint) not in capsys.readouterr().out


def test_job_file_tells_a_paid_run_where_results_go(
    job: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QWENBATCH_API_KEY", raising=False)
    monkeypatch.delenv("QWENBATCH_API_KEY_FILE", raising=False)
    assert command(["run", str(job(""))]) == ExitStatus.USAGE
    assert "where do results go?" in capsys.readouterr().err
    assert command(["run", str(job('out = "o"'))]) == ExitStatus.USAGE
    assert "there is no key" in capsys.readouterr().err


def test_job_file_that_is_shipped_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    monkeypatch.chdir(tmp_path)
    nightly = "jobs/nightly.toml"
    assert command(["run", nightly, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["estimate"]["edits"] == 5
    assert command(["run", nightly, "--sandbox", "-o", "out/try", "--rate", "100", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"]["saved"] == 5
    assert (tmp_path / "out" / "try" / "images" / "coffee.png").exists()
    assert tell(nightly, {}).options.budget is not None


def test_options_have_one_name_and_a_sound_default() -> None:
    for row in OPTIONS.values():
        form = row.option.form
        assert row.option.help.endswith(".")
        if form.wants is not Wants.FLAG:
            assert form.metavar
        if row.default and row.name != "gateway":
            assert form.parse(row.default_shown) == row.default
