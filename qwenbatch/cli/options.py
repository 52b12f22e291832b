"""The options of run and check: one table, from which all else about them is made.

A field of `Options` is an option: its name with dashes is the option on the command line and the
key of a job file, and with `QWENBATCH_` the variable in the environment; its `Option` says how a
value is written and what it means. `settings.py` hands the values on by the same names.
"""

from __future__ import annotations

import inspect
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
import typer
from msgspec.structs import fields

from qwenbatch.cli import forms
from qwenbatch.core.budget import Budget
from qwenbatch.core.money import MicroUSD, dollars
from qwenbatch.core.paths import Template
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.core.verdicts import Kind
from qwenbatch.gateway.doors import DOORS
from qwenbatch.wiring.settings import (
    DEFAULT_ATTEMPTS,
    DEFAULT_CONCURRENCY,
    DEFAULT_RATE,
    DEFAULT_SERVICE,
    DEFAULT_TIMEOUT,
    LOCAL,
    RAY,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwenbatch.cli.forms import Form

T = TypeVar("T")

ENVIRONMENT = "QWENBATCH_"


class Purpose(StrEnum):
    """The headings of `--help`, in their order."""

    ITEMS = "What is edited"
    PLACES = "Where"
    MONEY = "Money"
    TIME = "Time and speed"
    REPAIR = "Only where asked for"
    OUTPUT = "What you see"


class Option(msgspec.Struct, Generic[T], frozen=True):
    """What an option is, apart from its name, type and default.

    `only_typed`: it can be asked for on the command line alone. `of_run`: it makes no difference
    to a check, whose help leaves it out. `secret`: its value is shown nowhere.
    """

    form: Form[T]
    purpose: Purpose
    help: str
    short: str = ""
    only_typed: bool = False
    of_run: bool = False
    secret: bool = False


def _prices() -> str:
    """What an edit costs at each door, unless it is told."""
    return ", ".join(f"{dollars(door.price)} ({door.name})" for door in DOORS.values())


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a run or check was told: an attribute is an option. None: it was not told."""

    instruction: Annotated[
        str | None,
        Option(
            forms.TEXT,
            Purpose.ITEMS,
            "What to do to every picture that has no instruction of its own.",
            short="-i",
        ),
    ] = None
    negative_prompt: Annotated[
        str,
        Option(
            forms.TEXT,
            Purpose.ITEMS,
            "What results should not show, unless a row says otherwise.",
        ),
    ] = ""
    watermark: Annotated[
        bool,
        Option(forms.FLAG, Purpose.ITEMS, "Let the service put its mark at the bottom right."),
    ] = False
    limit: Annotated[
        int | None,
        Option(forms.whole(0, 10**12), Purpose.ITEMS, "The manifest ends after so many items."),
    ] = None
    strict: Annotated[
        bool,
        Option(forms.FLAG, Purpose.ITEMS, "Send nothing if any row is bad."),
    ] = False
    out: Annotated[
        Path | StoreUrl | None,
        Option(
            forms.FOLDER,
            Purpose.PLACES,
            "Where results and the ledger go, or s3://bucket/out (with --ledger)."
            " Default: out/<name of the source>.",
            short="-o",
        ),
    ] = None
    name: Annotated[
        Template | None,
        Option(
            forms.TEMPLATE,
            Purpose.PLACES,
            "How results without an output are named: {dir} {stem} {id} {take} {key}.",
        ),
    ] = None
    overwrite: Annotated[
        bool,
        Option(
            forms.FLAG,
            Purpose.PLACES,
            "Results may overwrite files that are not ours, or were altered.",
        ),
    ] = False
    sidecar: Annotated[
        bool,
        Option(
            forms.FLAG,
            Purpose.PLACES,
            "Write NAME.json beside each result: what was asked of which picture, what it cost.",
            of_run=True,
        ),
    ] = False
    embed: Annotated[
        bool,
        Option(
            forms.FLAG,
            Purpose.PLACES,
            "Put instruction, model, request id and edit key into each PNG, as texts.",
            of_run=True,
        ),
    ] = False
    ledger: Annotated[
        Path | None,
        Option(
            forms.FILE,
            Purpose.PLACES,
            "Where the ledger lies, if OUT is in a store or on a network file system.",
        ),
    ] = None
    service: Annotated[
        str,
        Option(
            forms.choice(*DOORS),
            Purpose.PLACES,
            "Who edits: Pixazo's gateway, DashScope, or any server with OpenAI's images/edits.",
        ),
    ] = DEFAULT_SERVICE
    gateway: Annotated[
        str | None,
        Option(
            forms.ENDPOINT,
            Purpose.PLACES,
            "The whole endpoint, if not the service's documented one; openai has none.",
        ),
    ] = None
    sandbox: Annotated[
        bool,
        Option(
            forms.FLAG,
            Purpose.PLACES,
            "Use a sandbox that is started for this run: no key, no cost.",
        ),
    ] = False
    price: Annotated[
        MicroUSD | None,
        Option(
            forms.PRICE,
            Purpose.MONEY,
            f"What one edit costs. Default: {_prices()}.",
        ),
    ] = None
    max_cost: Annotated[
        MicroUSD | None,
        Option(
            forms.AMOUNT,
            Purpose.MONEY,
            "The most that this run may spend, uncertain edits counted.",
        ),
    ] = None
    budget: Annotated[
        Budget | None,
        Option(
            forms.BUDGET,
            Purpose.MONEY,
            "The most that this ledger may spend in a calendar period (UTC): 5/day.",
        ),
    ] = None
    canary: Annotated[
        int,
        Option(
            forms.whole(0, 100),
            Purpose.MONEY,
            "Send so many edits first, spread over the manifest; on a terminal show them and ask,"
            " elsewhere go on only if all are saved.",
            of_run=True,
        ),
    ] = 0
    yes: Annotated[
        bool,
        Option(forms.FLAG, Purpose.MONEY, "Do not ask before paying.", short="-y", of_run=True),
    ] = False
    at: Annotated[
        float | None,
        Option(
            forms.TIME_OF_DAY,
            Purpose.TIME,
            "With --until: send only between this local time and that one.",
            of_run=True,
        ),
    ] = None
    until: Annotated[
        float | None,
        Option(
            forms.TIME_OF_DAY,
            Purpose.TIME,
            "Stop sending early enough to be done by this local time. What is in flight is never"
            " cut off.",
            of_run=True,
        ),
    ] = None
    max_duration: Annotated[
        float | None,
        Option(
            forms.DURATION,
            Purpose.TIME,
            "Stop sending early enough to be done after so long: 6h, 10m, 1h30m. What is in"
            " flight is never cut off.",
            of_run=True,
        ),
    ] = None
    concurrency: Annotated[
        int,
        Option(
            forms.whole(1, 10_000),
            Purpose.TIME,
            "The most edits in flight; on one machine at most 1,000.",
            short="-c",
            of_run=True,
        ),
    ] = DEFAULT_CONCURRENCY
    rate: Annotated[
        float,
        Option(forms.RATE, Purpose.TIME, "The most edits started a second.", of_run=True),
    ] = DEFAULT_RATE
    attempts: Annotated[
        int,
        Option(
            forms.whole(1, 100),
            Purpose.TIME,
            "How often an edit is tried in one run; throttles do not count.",
            of_run=True,
        ),
    ] = DEFAULT_ATTEMPTS
    timeout: Annotated[
        float,
        Option(
            forms.SECONDS,
            Purpose.TIME,
            "How long an answer is waited for. Too short makes slow successes uncertain, and they"
            " may be paid.",
            of_run=True,
        ),
    ] = DEFAULT_TIMEOUT
    engine: Annotated[
        str,
        Option(
            forms.choice(LOCAL, RAY),
            Purpose.PLACES,
            "Where edits are made: in this process, or by a fleet of machines on Ray.",
            of_run=True,
        ),
    ] = LOCAL
    address: Annotated[
        str | None,
        Option(
            forms.TEXT,
            Purpose.PLACES,
            "With --engine ray: the fleet's address, such as auto; without it, a Ray of its own is"
            " started on this machine to try it out.",
            of_run=True,
        ),
    ] = None
    retry_failed: Annotated[
        bool,
        Option(forms.FLAG, Purpose.REPAIR, "Send again what the gateway refused."),
    ] = False
    retry_kind: Annotated[
        frozenset[Kind],
        Option(
            forms.KINDS,
            Purpose.REPAIR,
            "Send again what failed with this kind, such as moderated; may be given again.",
        ),
    ] = frozenset()
    resend_uncertain: Annotated[
        bool,
        Option(
            forms.FLAG,
            Purpose.REPAIR,
            "Send again what may have been paid: it may be paid twice.",
            only_typed=True,
        ),
    ] = False
    resend_lost: Annotated[
        bool,
        Option(
            forms.FLAG,
            Purpose.REPAIR,
            "Pay again for results that are lost, if their URL still fails.",
            only_typed=True,
        ),
    ] = False
    dry_run: Annotated[
        bool,
        Option(
            forms.FLAG,
            Purpose.OUTPUT,
            "Show the settings in force and where each came from, then do what check does.",
        ),
    ] = False
    json: Annotated[
        bool,
        Option(forms.FLAG, Purpose.OUTPUT, "Print the summary as one JSON object."),
    ] = False
    quiet: Annotated[
        bool,
        Option(forms.FLAG, Purpose.OUTPUT, "Print errors only.", short="-q"),
    ] = False
    log_format: Annotated[
        str,
        Option(forms.choice("text", "json"), Purpose.OUTPUT, "How events are written."),
    ] = "text"
    log_file: Annotated[
        Path | None,
        Option(forms.FILE, Purpose.OUTPUT, "Append every event to this file."),
    ] = None
    metrics: Annotated[
        Path | None,
        Option(
            forms.FILE,
            Purpose.OUTPUT,
            "Keep the run's figures in this file, as Prometheus' node exporter reads them (.prom).",
            of_run=True,
        ),
    ] = None
    ping: Annotated[
        str | None,
        Option(
            forms.WATCHDOG,
            Purpose.OUTPUT,
            "Tell this URL, in the convention of healthchecks, that the run begins (/start) and its"
            " exit status in the end.",
            of_run=True,
            secret=True,
        ),
    ] = None


Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A manifest (.csv, .jsonl), a folder (with --instruction), or a job file (.toml);"
        " manifest or folder may be s3://bucket/….",
        show_default=False,
    ),
]


class NamedOption(msgspec.Struct, frozen=True):
    """A row of the table."""

    field: str
    default: Any
    option: Option[Any]

    @property
    def name(self) -> str:
        """As the command line (behind `--`) and job files call it."""
        return self.field.replace("_", "-")

    @property
    def variable(self) -> str:
        """As the environment calls it."""
        return ENVIRONMENT + self.field.upper()

    @property
    def default_shown(self) -> str:
        """The default as people are shown it; empty where there is none."""
        if not self.default and self.option.form.wants is not forms.Wants.FLAG:
            return ""
        return self.option.form.show(self.default)


def _rows() -> dict[str, NamedOption]:
    rows = (NamedOption(f.name, f.default, f.type.__metadata__[0]) for f in fields(Options))
    return {row.name: row for row in rows}


OPTIONS = _rows()
"""The table, by the options' names."""


def written(name: str) -> Any:
    """An option of the table as Typer's parameter, for a value that stays as it was written."""
    row = OPTIONS[name]
    form = row.option.form
    declared = f"--{name}"
    if form.wants is forms.Wants.FLAG and not row.option.only_typed:
        declared += f"/--no-{name}"
    shown = row.default_shown
    return typer.Option(
        *(word for word in (declared, row.option.short) if word),
        help=row.option.help,
        metavar=form.metavar or None,
        rich_help_panel=row.option.purpose,
        show_default=shown if form.wants is not forms.Wants.FLAG and shown else False,
        autocompletion=(lambda: form.choices) if form.choices else None,
    )


def takes_options(*, of_run: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let Typer see every option of the table as a parameter of a command, None where not given.

    The command takes them as `**given`. Help leaves out options `of_run` unless it is of a run.
    """

    def with_signature(command: Callable[..., None]) -> Callable[..., None]:
        own = [
            parameter
            for parameter in inspect.signature(command, eval_str=True).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        options = [
            _parameter(row, hidden=row.option.of_run and not of_run) for row in OPTIONS.values()
        ]
        # Typer asks inspect for the signature, and inspect asks for this attribute.
        vars(command)["__signature__"] = inspect.Signature([*own, *options])
        return command

    return with_signature


def _parameter(row: NamedOption, *, hidden: bool) -> inspect.Parameter:
    shape: Any
    match row.option.form.wants:
        case forms.Wants.FLAG:
            shape = bool | None
        case forms.Wants.STRINGS:
            shape = list[str] | None
        case _:
            shape = str | None
    option = written(row.name)
    option.hidden = hidden
    return inspect.Parameter(
        row.field,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[shape, option],
    )
