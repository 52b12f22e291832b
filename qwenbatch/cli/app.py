"""The commands, and the one place where errors become words and exit statuses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from qwenbatch.cli.audit import audit
from qwenbatch.cli.check import check
from qwenbatch.cli.doctor import doctor
from qwenbatch.cli.export import export
from qwenbatch.cli.run import run
from qwenbatch.cli.sandbox import sandbox
from qwenbatch.cli.settle import settle
from qwenbatch.cli.status import status
from qwenbatch.core.stops import ExitStatus
from qwenbatch.errors import DiskError, LedgerBusyError, QwenbatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = (
    "Exit statuses: 0 every item is saved; 1 a defect of the program; 2 usage or configuration;"
    " 3 some items failed, are invalid, lost or pending; 4 some edits are uncertain;"
    " 5 stopped by a cap; 6 by a deadline; 7 by the gateway; 8 by the breaker, or by results that"
    " cannot be fetched; 9 by the disk; 10 another run holds the ledger; 130 interrupted;"
    " 143 terminated."
)

app = typer.Typer(
    name="qwenbatch",
    help="Edit pictures by the thousand through a paid image-edit service: resumable, within a"
    " budget, and never paid twice unasked.",
    epilog=EPILOG,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=EPILOG)(run)
app.command(epilog="It exits as the run that it foresees.")(check)
app.command()(status)
app.command()(export)
app.command(epilog="Exit status 3: there are findings.")(audit)
app.command()(settle)
app.command(epilog="Exit status 3: there are findings.")(doctor)
app.command()(sandbox)


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    *,
    version: bool = typer.Option(False, "--version", "-V", help="Say the version."),  # noqa: FBT003 - Typer's form
) -> None:
    if version:
        from qwenbatch import __version__  # noqa: PLC0415 - rarely asked for here

        typer.echo(f"qwenbatch {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def command(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit status. Only a defect of ours leaves a traceback."""
    try:
        result = typer.main.get_command(app).main(
            args=list(arguments),
            prog_name="qwenbatch",
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
    _say(str(error))
    match error:
        case DiskError():
            return ExitStatus.DISK
        case LedgerBusyError():
            return ExitStatus.BUSY
        case _:
            return ExitStatus.USAGE


def _say(words: str) -> None:
    """An error in one or two lines; control characters of hostile names are shown, not obeyed."""
    for number, line in enumerate(words.splitlines()):
        shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
        sys.stderr.write(f"{'qwenbatch: ' if not number else '  '}{shown}\n")


def _reader_gone() -> ExitStatus:
    """Whoever read our output has gone: nobody is left to tell."""
    import os  # noqa: PLC0415 - only here

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitStatus.SAVED
