"""A command as this program has it: it reads values in its own words, and draws its own help.

Typer makes a command's parameters of its signature and takes the words apart. Values are read
here, for Typer's own reader takes a tenth of a second to load and speaks of itself in its errors.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperOption

from qwenbatch.cli import parsing
from qwenbatch.cli.help_page import write_help
from qwenbatch.errors import UsageError

if TYPE_CHECKING:
    from typing import NoReturn

    from typer._click import Context

_MOST = 10**12
"""The bound of whole numbers that have none of their own."""

_LIKE = 0.75
"""How like an option what was typed must be for it to be suggested: 1 is the same."""


class Command(TyperCommand):
    """One command. What is mistyped is a UsageError that names it, with what lies near."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Take the words apart and read each value; what is left over is refused."""
        given, rest = self._taken_apart(ctx, args)
        for parameter in self.get_params(ctx):
            if parameter.is_eager and parameter.name in given:
                parameter.handle_parse_result(ctx, given, rest)
        for parameter in self.params:
            assert isinstance(parameter, TyperOption | TyperArgument)  # noqa: S101 - Typer makes no other
            value, source = parameter.consume_value(ctx, given)
            ctx.set_parameter_source(parameter.name, source)
            ctx.params[parameter.name] = (
                value if ctx.resilient_parsing else self._read(parameter, value)
            )
        if rest and not ctx.resilient_parsing:
            raise UsageError(
                f"{rest[0]!r} is one word too many for `{ctx.command_path}`",
                "put quotation marks around what has blanks in it",
            )
        return rest

    def collect_usage_pieces(self, ctx: Context) -> list[str]:  # noqa: ARG002 - Typer's form
        """`[OPTIONS] SOURCE`."""
        arguments = (each for each in self.params if isinstance(each, TyperArgument))
        return ["[OPTIONS]", *(each.metavar or each.name.upper() for each in arguments)]

    def format_help(self, ctx: Context, formatter: Any) -> None:
        """Write the page that --help shows."""
        write_help(self, ctx, formatter)

    def _taken_apart(self, ctx: Context, args: list[str]) -> tuple[dict[str, Any], list[str]]:
        try:
            given, rest, _ = self.make_parser(ctx).parse_args(args=list(args))
        except typer.TyperException as error:
            refuse(error, ctx)
        return given, rest

    def _read(self, parameter: TyperOption | TyperArgument, value: Any) -> Any:
        name = parameter.opts[0] if isinstance(parameter, TyperOption) else parameter.metavar
        if value is None:
            if parameter.required:
                raise UsageError(
                    f"{name} is missing: {_lowered(parameter.help)}",
                    f"see `qwenbatch {self.name} --help`",
                )
            return None
        try:
            return _valued(parameter, value)
        except ValueError as error:
            raise UsageError(
                f"{name}: {error}", f"see `qwenbatch {self.name} --help` for {name}"
            ) from None


def refuse(error: typer.TyperException, ctx: Context) -> NoReturn:
    """UsageError instead of an error of Typer's parser; its fields differ by its kind."""
    advice = f"see `{ctx.command_path} --help`"
    option = getattr(error, "option_name", None)
    if option is None:
        raise UsageError(error.format_message(), advice) from None
    if not hasattr(error, "possibilities"):
        wrong = "takes no value" if "does not take" in error.format_message() else "wants a value"
        raise UsageError(f"{option} {wrong}", advice) from None
    if option in {"--api-key", "--key"}:
        raise UsageError(
            f"there is no option {option}: others on this machine could read a key there",
            "export QWENBATCH_API_KEY, or name its file in QWENBATCH_API_KEY_FILE",
        ) from None
    # Typer finds near what merely shares some letters.
    near = get_close_matches(option, error.possibilities or (), 2, _LIKE)
    hint = f"did you mean {' or '.join(near)}?" if near else advice
    raise UsageError(f"there is no option {option}", hint) from None


def _valued(parameter: TyperOption | TyperArgument, value: Any) -> Any:
    """A value as the parameter's annotation says; ValueError if it cannot be."""
    kind = parameter.type_descriptor.annotation
    if not isinstance(kind, type) or not isinstance(value, str):
        return value
    if issubclass(kind, Path):
        return parsing.file(value)
    if issubclass(kind, Enum):
        return kind(parsing.one_of(value, [member.value for member in kind], "such choice as"))
    if kind is int:
        least, most = parameter.min, parameter.max
        return parsing.whole(
            -_MOST if least is None else int(least), _MOST if most is None else int(most)
        )(value)
    if kind is float:
        return parsing.number(_MOST, f"{_MOST:,}")(value)
    return value


def _lowered(text: str | None) -> str:
    return "" if not text else text[:1].lower() + text[1:]
