"""The commands by their names: only the one that is asked for is loaded."""

from __future__ import annotations

import os
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.models import CommandInfo

from qwenbatch.cli.command import Command, refuse
from qwenbatch.cli.help_page import write_overview
from qwenbatch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typer._click import Context

STATUS_3 = "Exit status 3: there are findings."

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "run": "Every option can be given in the environment, as QWENBATCH_ and its name, and in a"
        " job file, except --resend-uncertain and --resend-lost. A flag that stands there is taken"
        " back by --no- and its name: --no-strict.",
        "check": "It exits as the run that it foresees.",
        "status": "",
        "report": "",
        "export": "",
        "audit": STATUS_3,
        "settle": "",
        "schedule": "",
        "doctor": STATUS_3,
        "sandbox": "",
    },
)
"""Each command with what its help ends in. It is the function of its name in its own module."""

MARKUP: None = None
"""Help is plain text."""


class Commands(TyperGroup):
    """The program itself: it finds a command by its name and loads it then."""

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002 - Typer's form
        """The names, in the order of help."""
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:  # noqa: ARG002 - Typer's form
        """The command of a name, loaded; None if there is none."""
        return load(cmd_name) if cmd_name in COMMANDS else None

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Take the options of the program itself; errors in our words."""
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            refuse(error, ctx)

    def resolve_command(self, ctx: Context, args: list[str]) -> Any:
        """The command that the words begin with; UsageError with the nearest, if there is none."""
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            near = get_close_matches(args[0].lower(), COMMANDS, 2, 0.5)
            if not near and os.path.exists(args[0]):  # noqa: PTH110 - Path.exists may raise
                hint = f"to edit what is there: qwenbatch run {args[0]}"
            elif near:
                hint = f"did you mean {' or '.join(near)}?"
            else:
                hint = f"known are {', '.join(COMMANDS)}"
            raise UsageError(f"there is no command {args[0]!r}", hint)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Context, formatter: Any) -> None:
        """Write the page that --help shows."""
        write_overview(self, ctx, formatter)


def load(name: str) -> Command:
    """The command of a name."""
    function = getattr(import_module(f"qwenbatch.cli.{name}"), name)
    info = CommandInfo(name=name, cls=Command, callback=function, epilog=COMMANDS[name] or None)
    made = typer.main.get_command_from_info(
        info, pretty_exceptions_short=False, rich_markup_mode=MARKUP
    )
    assert isinstance(made, Command)  # noqa: S101 - the class that was asked for
    return made
