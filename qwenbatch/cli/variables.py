"""The environment's variables: which are ours, and which were surely meant to be."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from qwenbatch.cli.options import ENVIRONMENT, OPTIONS
from qwenbatch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY_VARIABLES = ("QWENBATCH_API_KEY", "QWENBATCH_API_KEY_FILE")


def strange_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each variable that has our prefix, and is none that we know."""
    options = (row.variable for row in OPTIONS.values() if not row.option.only_typed)
    known = [*options, *KEY_VARIABLES]
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT) and name not in known:
            near = get_close_matches(name, known, 1, 0.8)
            hint = f": did you mean {near[0]}?" if near else ""
            yield f"the variable {name} is not known, and changes nothing{hint}"


def refuse_only_typed(environment: Mapping[str, str]) -> None:
    """UsageError for a variable that would send again what may have been paid."""
    for row in OPTIONS.values():
        if row.option.only_typed and environment.get(row.variable):
            raise UsageError(
                f"{row.variable} is set: --{row.name} is taken from the command line alone",
                f"unset it, and type --{row.name} in the one run that is to pay again",
            )
