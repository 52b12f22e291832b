"""The program: its own options, and the one place where errors become words and exit statuses."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from qwenbatch.cli.commands import Commands
from qwenbatch.core.stops import ExitStatus
from qwenbatch.errors import QwenbatchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "qwenbatch"
MOST_COLUMNS = 100
"""Help is no wider than this: longer lines are hard to read."""

app = typer.Typer(
    name=PROGRAM,
    cls=Commands,
    help="Edit pictures by the thousand through a paid image-edit service: resumable, within a"
    " budget, and never paid twice unasked.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    add_help_option=False,  # Typer's own reads its value with pydantic, a tenth of a second
    context_settings={
        "help_option_names": ["--help", "-h"],
        "max_content_width": MOST_COLUMNS,
    },
)


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", "-V", help="Say the version.")] = False,
    install_completion: Annotated[
        bool,
        typer.Option(
            "--install-completion",
            help="Let the shell that this is typed in complete commands and options.",
        ),
    ] = False,
    show_completion: Annotated[
        bool,
        typer.Option("--show-completion", help="Print what --install-completion would install."),
    ] = False,
    show_help: Annotated[bool, typer.Option("--help", "-h", help="Show this page.")] = False,
) -> None:
    if version:
        from qwenbatch import __version__  # noqa: PLC0415 - rarely asked for here

        typer.echo(f"{PROGRAM} {__version__}")
    elif install_completion or show_completion:
        _complete(context, install=install_completion)
    elif show_help or context.invoked_subcommand is None:
        typer.echo(context.get_help())
    else:
        return
    raise typer.Exit


def _complete(context: typer.Context, *, install: bool) -> None:
    from typer import completion  # noqa: PLC0415 - start-up

    _know_shells()
    tell = completion.install_callback if install else completion.show_callback
    try:
        tell(context, context.command.params[0], value=True)
    except typer.Exit as error:
        raise UsageError(
            "it cannot be told which shell this is typed in, or it is none of bash, zsh and fish",
            "name it: _QWENBATCH_COMPLETE=source_bash qwenbatch, and load what that prints",
        ) from error


def _know_shells() -> None:
    """Let Typer complete for bash, zsh and fish; it does so by itself only at its own options."""
    from typer.completion import get_completion_inspect_parameters  # noqa: PLC0415 - start-up

    get_completion_inspect_parameters()


def command(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit status. Only a defect of ours leaves a traceback."""
    if "_QWENBATCH_COMPLETE" in os.environ:
        _know_shells()
    try:
        result = typer.main.get_command(app).main(
            args=list(arguments),
            prog_name=PROGRAM,
            standalone_mode=False,
        )
    except QwenbatchError as error:
        return _fail(error)
    except typer.TyperException as error:
        _say(error.format_message())
        return ExitStatus.USAGE
    except (typer.Abort, KeyboardInterrupt):
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    return result if isinstance(result, int) else ExitStatus.SAVED


def _fail(error: QwenbatchError) -> ExitStatus:
    from qwenbatch.cli.ending import status_of  # noqa: PLC0415 - start-up

    _say(str(error))
    return status_of(error)


def _say(words: str) -> None:
    """An error in one or two lines; control characters of hostile names are shown, not obeyed."""
    for number, line in enumerate(words.splitlines()):
        shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
        sys.stderr.write(f"{'qwenbatch: ' if not number else '  '}{shown}\n")


def _reader_gone() -> ExitStatus:
    """Whoever read our output has gone: nobody is left to tell."""
    from qwenbatch.wiring.printed import lead_nowhere  # noqa: PLC0415 - start-up

    lead_nowhere(sys.stdout)
    return ExitStatus.SAVED
