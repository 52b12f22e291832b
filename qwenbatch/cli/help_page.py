"""The pages that --help shows: plain text, grouped by purpose, readable at any width."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from typer.core import TyperArgument, TyperOption

from qwenbatch.core.stops import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typer._click import Context
    from typer.core import TyperCommand, TyperGroup

OTHERS = "Options"
"""The heading of options that have none of their own."""

STATUSES = {
    ExitStatus.SAVED: "every item is saved",
    ExitStatus.DEFECT: "a defect of the program itself",
    ExitStatus.USAGE: "usage, configuration, a manifest that cannot be read, a ledger of another"
    " service",
    ExitStatus.UNFINISHED: "finished; some items failed, are invalid, lost or still pending;"
    " declined; a failed canary; findings of audit or doctor",
    ExitStatus.UNCERTAIN: "finished; some edits are uncertain",
    ExitStatus.CAP: "stopped: a cap",
    ExitStatus.TIME: "stopped: deadline or duration",
    ExitStatus.GATEWAY: "stopped: denied, exhausted, misaddressed or throttled",
    ExitStatus.BREAKER: "stopped: the breaker, or results that cannot be fetched",
    ExitStatus.DISK: "stopped: the disk is full or cannot be written",
    ExitStatus.BUSY: "another run holds the ledger",
    ExitStatus.INTERRUPTED: "interrupted",
    ExitStatus.TERMINATED: "terminated",
}
"""What every exit status means."""

_EXAMPLES = re.compile(r"^Examples?:\s*", re.MULTILINE)
_COLUMN = 30
"""Names longer than so many characters stand on a line of their own."""


def write_help(command: TyperCommand, ctx: Context, formatter: Any) -> None:
    """A command's page: usage, what it does, arguments, options by purpose, examples, the rest."""
    command.format_usage(ctx, formatter)
    about, *examples = _EXAMPLES.split(inspect.cleandoc(command.help or ""))
    formatter.write_paragraph()
    formatter.write_text(about.strip())
    _write_lines(formatter, "Examples", _lines(examples))
    arguments = [_argument(each) for each in command.params if isinstance(each, TyperArgument)]
    _write_list(formatter, "Arguments", arguments)
    for purpose, rows in _by_purpose(command, ctx).items():
        _write_list(formatter, purpose, rows)
    if command.epilog:
        formatter.write_paragraph()
        formatter.write_text(inspect.cleandoc(command.epilog))
    if command.name == "run":
        write_statuses(formatter)


def write_overview(group: TyperGroup, ctx: Context, formatter: Any) -> None:
    """The program's page: what it is, its commands, the options of its own, the exit statuses."""
    group.format_usage(ctx, formatter)
    formatter.write_paragraph()
    formatter.write_text(group.help or "")
    commands = [(name, group.get_command(ctx, name)) for name in group.list_commands(ctx)]
    _write_list(
        formatter,
        "Commands",
        [(name, _first_paragraph(command.help)) for name, command in commands if command],
    )
    for purpose, rows in _by_purpose(group, ctx).items():
        _write_list(formatter, purpose, rows)
    write_statuses(formatter)


def write_statuses(formatter: Any) -> None:
    """The exit statuses as a table."""
    rows = [(str(int(status)), meaning) for status, meaning in STATUSES.items()]
    _write_list(formatter, "Exit statuses", rows)


def _by_purpose(command: Any, ctx: Context) -> dict[str, list[tuple[str, str]]]:
    """Options under their headings, in the order of their first appearance."""
    found: dict[str, list[tuple[str, str]]] = {}
    for option in command.get_params(ctx):
        if isinstance(option, TyperOption) and not option.hidden:
            purpose = str(option.rich_help_panel or OTHERS)
            found.setdefault(purpose, []).append(_option(option))
    return found


def _option(option: TyperOption) -> tuple[str, str]:
    """`-o, --out DIR`, and what it means. A flag's `--no-` form is told once for all of them."""
    short = [name for name in option.opts if not name.startswith("--")]
    long = [name for name in option.opts if name.startswith("--")]
    name = (", ".join(short) + ", " if short else "    ") + ", ".join(long)
    if not option.is_flag:
        name += f" {option.metavar or 'TEXT'}"
    default = option.show_default if isinstance(option.show_default, str) else ""
    if option.show_default is True and option.default is not None and not option.is_flag:
        default = str(option.default)
    return name, f"{option.help or ''}{f' Default: {default}.' if default else ''}"


def _argument(argument: TyperArgument) -> tuple[str, str]:
    return argument.metavar or argument.name.upper(), argument.help or ""


def _first_paragraph(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())


def _lines(examples: Iterable[str]) -> list[str]:
    return [line.strip() for each in examples for line in each.splitlines() if line.strip()]


def _write_list(formatter: Any, heading: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        with formatter.section(heading):
            formatter.write_dl(rows, col_max=_COLUMN)


def _write_lines(formatter: Any, heading: str, lines: list[str]) -> None:
    """Lines that are not to be broken: they are there to be copied."""
    if lines:
        with formatter.section(heading):
            formatter.write("".join(f"{' ' * formatter.current_indent}{each}\n" for each in lines))
