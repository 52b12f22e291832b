"""What a run was told, and by whom: option, environment, job file, default, in this order."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from qwenbatch.cli import parsing
from qwenbatch.cli.forms import Wants
from qwenbatch.cli.job_file import JOB_FILE, JobFile, read_job_file
from qwenbatch.cli.options import OPTIONS, Options
from qwenbatch.cli.places import place
from qwenbatch.cli.variables import refuse_only_typed, strange_variables
from qwenbatch.errors import UsageError
from qwenbatch.manifest.missing import refuse_missing
from qwenbatch.wiring.settings import our_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.cli.options import NamedOption
    from qwenbatch.wiring.places import Place


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A value as somebody wrote it: `where` for errors, `origin` for the table of settings."""

    text: str
    where: str
    origin: str


class Setting(msgspec.Struct, frozen=True):
    """A row of the table of settings in force, as people are shown it."""

    name: str
    value: str
    origin: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run or check was told."""

    source: Place
    options: Options
    settings: tuple[Setting, ...]
    by_job_file: bool


def tell(
    source: str,
    given: Mapping[str, Any],
    *,
    environment: Mapping[str, str] | None = None,
) -> Told:
    """Read a job file if the source is one, and take each option from the first that names it.

    `given` are Typer's values by field; `environment` are the variables, those of this process if
    None. A variable of ours that is none is told on stderr. Raises
    UsageError that names the option, the variable, or the job file's line and column.
    """
    environment = our_variables() if environment is None else environment
    refuse_only_typed(environment)
    job = _job_file(source) if source.lower().endswith(JOB_FILE) else None
    settings = [_source_setting(source, job)]
    values: dict[str, Any] = {}
    for row in OPTIONS.values():
        written = _written(row, given.get(row.field), environment, job)
        if written is None:
            values[row.field] = row.default
            settings.append(Setting(row.name, row.default_shown, "default"))
        else:
            values[row.field] = _parsed(row, written)
            shown = "***" if row.option.secret else written.text
            settings.append(Setting(row.name, shown, written.origin))
    options = Options(**values)
    if not options.quiet:
        for words in strange_variables(environment):
            sys.stderr.write(f"qwenbatch: {words}\n")
    return Told(
        source=place(settings[0].value),
        options=options,
        settings=tuple(settings),
        by_job_file=job is not None,
    )


def tell_one(name: str, given: str | None) -> Any:
    """The value of one option, for a command that takes it and no job file."""
    row = OPTIONS[name]
    written = _written(row, given, our_variables(), None)
    return row.default if written is None else _parsed(row, written)


def _job_file(source: str) -> JobFile:
    try:
        return read_job_file(parsing.file(source))
    except ValueError as error:
        raise UsageError(str(error), "a job file may name a source and an OUT there") from None


def _source_setting(source: str, job: JobFile | None) -> Setting:
    if job is None:
        if isinstance(named := place(source), Path):
            refuse_missing(named)
        return Setting("source", source, "argument")
    entry = job.entries["source"]
    return Setting("source", job.path_of(entry), f"job file line {entry.line}")


def _written(
    row: NamedOption, given: Any, environment: Mapping[str, str], job: JobFile | None
) -> Written | None:
    """What the first source says that says anything; an empty variable says nothing."""
    if given is not None:
        return Written(text=_typed(given), where=f"--{row.name}", origin="option")
    text = None if row.option.only_typed else environment.get(row.variable)
    if text:
        return Written(text=text, where=row.variable, origin=f"environment {row.variable}")
    entry = None if job is None else job.entries.get(row.name)
    if job is None or entry is None:
        return None
    return Written(
        text=job.path_of(entry) if row.option.form.wants is Wants.PATH else entry.text,
        where=f"{job.where(entry)}: {row.name}",
        origin=f"job file line {entry.line}",
    )


def _typed(given: Any) -> str:
    match given:
        case bool():
            return str(given).lower()
        case list():
            return ",".join(given)
        case _:
            return str(given)


def _parsed(row: NamedOption, written: Written) -> Any:
    try:
        return row.option.form.parse(written.text)
    except ValueError as error:
        advice = f"see `qwenbatch run --help` for --{row.name}"
        raise UsageError(f"{written.where}: {error}", advice) from None
    except UsageError as error:
        raise UsageError(f"{written.where}: {error.what}", error.advice) from None
