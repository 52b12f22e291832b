from __future__ import annotations

import io
import os

import pytest
from msgspec.structs import replace

from qwenbatch.core.money import NOTHING, MicroUSD
from qwenbatch.core.stops import STOP_STATUS, ExitStatus, StopReason
from qwenbatch.core.summary import Cost, EditCounts, Estimate, ItemCounts, Summary
from qwenbatch.core.verdicts import Kind
from qwenbatch.observe.bad_end import bad_end
from qwenbatch.observe.closing import closing_summary
from qwenbatch.observe.terminal import Terminal
from qwenbatch.observe.words import KIND_WORDS, STOP_WORDS

COMMAND = (
    "qwenbatch run photos.csv -o 'out/my photos' --max-cost 100 --rate 1.5 --concurrency 10 -i x"
)
SAVED = Summary(
    run="3f2a",
    stopped_by=None,
    exit_status=ExitStatus.SAVED,
    items=ItemCounts(total=1204, saved=1204),
    edits=EditCounts(attempts=1210, paid=1204),
    cost=Cost(spent=MicroUSD(1204 * 55_000)),
    seconds=640.0,
)
WORST = Summary(
    run="3f2a",
    stopped_by=StopReason.BREAKER,
    exit_status=ExitStatus.BREAKER,
    items=ItemCounts(
        total=1204,
        saved=1000,
        reused=100,
        failed=3,
        invalid=2,
        uncertain=1,
        lost=4,
        pending=194,
    ),
    edits=EditCounts(attempts=1000, paid=900),
    cost=Cost(
        spent=MicroUSD(900 * 55_000),
        exposure=MicroUSD(110_000),
        maybe_twice=MicroUSD(55_000),
    ),
    failures={kind: number for number, kind in enumerate(Kind, 1)},
    seconds=5000.0,
)


def printed(
    summary: Summary,
    *,
    width: int = 80,
    encoding: str = "utf-8",
    sandbox: bool = False,
    out: str = "out/my photos",
    command_again: str | None = None,
    report: str | None = None,
    strict: bool = False,
) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    closing_summary(
        summary,
        out=out,
        command_again=command_again,
        report=report,
        console=Terminal(file=file, width=width, color_system=None),
        sandbox=sandbox,
        strict=strict,
    )
    file.flush()
    return raw.getvalue().decode(encoding)


def test_closing_tells_a_good_end_in_few_words() -> None:
    assert printed(SAVED).splitlines() == [
        "every item is saved after 11 min",
        "1,204  saved",
        "1,204  items in all",
        "$66.22 spent (1,204 edits, 1,210 attempts)",
        "results: out/my photos",
    ]


def test_closing_says_that_there_was_nothing_to_do() -> None:
    nothing = replace(SAVED, items=ItemCounts())
    assert printed(nothing).startswith("there was nothing to do after 11 min\n")


def test_closing_asks_for_bad_rows_to_be_corrected() -> None:
    items = ItemCounts(total=3, saved=1, invalid=2)
    ended = replace(SAVED, exit_status=ExitStatus.UNFINISHED, items=items)
    assert printed(ended).splitlines()[:2] == [
        "finished after 11 min; not every item is saved",
        "  correct the rows that are bad, then run again",
    ]
    assert printed(ended, strict=True).startswith(
        "finished after 11 min; no edit was sent, for rows are bad (--strict)\n"
    )
    assert "--strict" not in printed(SAVED, strict=True)


def test_closing_of_a_strict_check_of_bad_rows_foresees_that_nothing_is_sent() -> None:
    items = ItemCounts(total=3, invalid=2, pending=1)
    estimate = Estimate(edits=1, cost=MicroUSD(55_000), left=None)
    foreseen = replace(SAVED, exit_status=ExitStatus.UNFINISHED, items=items, estimate=estimate)
    assert printed(foreseen, strict=True).splitlines()[-2:] == [
        "would send nothing, for rows are bad (--strict)",
        "  without --strict it would send 1 edit, $0.055",
    ]
    assert printed(foreseen).splitlines()[-1] == "would send 1 edit, $0.055"


def test_closing_tells_everything_of_a_bad_end_on_one_screen() -> None:
    text = printed(WORST, sandbox=True, command_again=COMMAND, report="out/my photos/report.html")
    lines = text.splitlines()

    assert sum(-(-len(line) // 80) for line in lines) <= 24
    assert lines[0] == "stopped after 83 min (breaker): ten attempts in a row came to nothing"
    assert "1,000  saved (100 of them not paid for by this run)" in lines
    assert "  194  pending: the next run goes on with them" in lines
    assert "perhaps paid: $0.11 for edits whose outcome is unknown" in lines
    assert "perhaps paid twice: $0.055; see the invoice" in lines
    assert "sandbox: nothing was really paid; the sums are play money" in lines
    assert f"15 unfetched: {KIND_WORDS[Kind.UNFETCHED].means}" in lines
    assert f"  {KIND_WORDS[Kind.UNFETCHED].advice}" in lines
    assert "--resend-lost" in KIND_WORDS[Kind.UNFETCHED].advice, "some of them are lost"
    assert "78 more of 12 other kinds: see `qwenbatch status`" in lines
    assert lines[-1] == f"next: {COMMAND}"


@pytest.mark.parametrize("reason", StopReason)
def test_closing_says_why_it_stopped(reason: StopReason) -> None:
    text = printed(replace(WORST, stopped_by=reason, exit_status=STOP_STATUS[reason]))
    assert STOP_WORDS[reason].means in " ".join(text.split())
    assert STOP_WORDS[reason].advice in text
    assert len(text.splitlines()) <= 22


def test_closing_tells_the_fix_for_a_refused_key() -> None:
    text = printed(replace(SAVED, items=ItemCounts(total=1, pending=1), failures={"denied": 1}))
    assert "1 denied: the key was refused\n  check QWENBATCH_API_KEY, then run again\n" in text
    assert text.startswith("finished after 11 min; not every item is saved\n")


def test_closing_of_a_check_foresees() -> None:
    check = replace(
        SAVED,
        items=ItemCounts(total=1304, saved=100, reused=100, pending=1204),
        edits=EditCounts(),
        cost=Cost(),
        seconds=0.0,
        estimate=Estimate(edits=1204, cost=MicroUSD(66_220_000), left=MicroUSD(12_500_000)),
    )

    assert printed(check, command_again="qwenbatch run photos.csv").splitlines() == [
        "checked; nothing was sent",
        "  100  saved already",
        "1,204  pending: to be sent or fetched",
        "1,304  items in all",
        "would send 1,204 edits, $66.22; left under the caps: $12.50",
        "next: qwenbatch run photos.csv",
    ]
    stopped = replace(check, stopped_by=StopReason.MAX_COST, exit_status=ExitStatus.CAP)
    assert printed(stopped).startswith("would stop (max_cost): --max-cost does not allow another")
    uncapped = replace(check, estimate=Estimate(edits=1, cost=NOTHING, left=None))
    assert "would send 1 edit, $0.00\n" in printed(uncapped)


@pytest.mark.parametrize("width", [40, 60, 200])
def test_closing_fits_the_width_but_never_breaks_a_command(width: int) -> None:
    lines = printed(WORST, width=width, command_again=COMMAND, report="r").splitlines()

    assert f"next: {COMMAND}" in lines
    assert all(len(line) <= width for line in lines if not line.startswith("next: "))
    assert "1,000  saved" in "\n".join(lines)


def test_closing_is_plain_ascii_where_only_that_can_be_shown() -> None:
    text = printed(WORST, encoding="ascii", out="café\x1b[2J[red]x[/red]", command_again=COMMAND)
    assert r"results: caf\xe9\x1b[2J[red]x[/red]" in text


def test_closing_knows_of_kinds_that_it_does_not_know() -> None:
    text = printed(replace(WORST, failures={"brand_new": 1}))
    assert "1 brand new: a kind that this version does not know" in text


def test_closing_outlives_its_reader() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    file = os.fdopen(writer, "w", encoding="utf-8")

    closing_summary(SAVED, out="o", command_again=None, report=None, console=Terminal(file=file))

    with pytest.raises(BrokenPipeError):
        file.close()


def test_closing_says_a_stop_and_its_failures_in_one_sentence_once() -> None:
    stopped = replace(
        WORST, stopped_by=StopReason.DENIED, exit_status=ExitStatus.GATEWAY, failures={"denied": 3}
    )
    text = printed(stopped)
    assert text.count("the key was refused") == 1
    assert text.count("check QWENBATCH_API_KEY") == 1
    assert "\n3 denied\n" in text


def test_closing_offers_a_resending_in_words_only() -> None:
    uncertain = replace(
        SAVED, items=ItemCounts(total=2, saved=1, uncertain=1), exit_status=ExitStatus.UNCERTAIN
    )
    lines = printed(uncertain, command_again="qwenbatch settle o --as paid|unpaid").splitlines()
    assert any("--resend-uncertain" in line for line in lines[:-1])
    assert lines[-1] == "next: qwenbatch settle o --as paid|unpaid"


def test_closing_of_a_quiet_run_tells_errors_only() -> None:
    assert bad_end(SAVED, again=None) == []
    words = STOP_WORDS[StopReason.BREAKER]
    assert bad_end(WORST, again="x") == [
        f"qwenbatch: stopped (breaker): {words.means}",
        f"  {words.advice}",
    ]
    finished = replace(WORST, stopped_by=None, exit_status=ExitStatus.UNCERTAIN)
    assert bad_end(finished, again="qwenbatch settle o --as paid|unpaid") == [
        (
            "qwenbatch: of 1,204 items: 3 failed, 2 invalid, 4 lost, 1 uncertain: perhaps paid,"
            " 194 pending"
        ),
        "  by the invoice: qwenbatch settle o --as paid|unpaid",
    ]
