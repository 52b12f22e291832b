"""The canaries as a person sees them before saying whether the rest may follow."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from rich.text import Text

from qwenbatch.observe.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwenbatch.core.canary import Canary
    from qwenbatch.core.store_url import StoreUrl
    from qwenbatch.observe.terminal import Terminal

MOST_INSTRUCTION = 200
_MOST_PATH = 4096


def show(canaries: Sequence[Canary], *, out: PurePath | StoreUrl, console: Terminal) -> None:
    """Print each canary: source, instruction, and its result under `out`, an absolute path.

    A terminal that knows links opens the result by a click.
    """
    for number, canary in enumerate(canaries, 1):
        told = f"canary {number} of {len(canaries)}: {canary.image}"
        console.print(Text(plain(told, most=_MOST_PATH, encoding=console.encoding), "bold"))
        asked = plain(canary.instruction, most=MOST_INSTRUCTION, encoding=console.encoding)
        console.print(Text(f"  {asked}"), overflow="fold")
        console.print(_result(canary, out, console), soft_wrap=True)


def _result(canary: Canary, out: PurePath | StoreUrl, console: Terminal) -> Text:
    if canary.result is None:
        return Text("  not saved", "red")
    path = out / canary.result
    shown = plain(str(path), most=_MOST_PATH, encoding=console.encoding)
    link = path.as_uri() if isinstance(path, PurePath) else ""
    return Text("  ").append(shown, f"green link {link}" if link else "green")
