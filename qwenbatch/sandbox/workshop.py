"""Where edits are made: in threads, as many at a time as there are cores."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from PIL import Image

from qwenbatch.sandbox.decoding import decode_source
from qwenbatch.sandbox.edits import edits_named
from qwenbatch.sandbox.lettering import put_watermark, write_instruction
from qwenbatch.sandbox.sizes import result_size

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


MOST_LETTERS = 800
"""So much of an instruction is written into a picture: more could not be read."""


@dataclass(frozen=True, slots=True)
class MadeEdit:
    """A finished result: a PNG without alpha, and its size in pixels."""

    png: bytes
    width: int
    height: int


def make_edit(
    data: bytes,
    said_format: str | None,
    instruction: str,
    *,
    watermark: bool,
) -> MadeEdit:
    """The result of this edit, the same bytes for the same request.

    Named edits are made; of an instruction that names none, its text is written into the
    picture. RefusalError if the source is not one that the service takes.
    """
    image, size = decode_source(data, said_format)
    image = image.resize(result_size(*size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    named = edits_named(instruction)
    for edit in named:
        image = edit.apply(image)
    if not named:
        write_instruction(image, instruction[:MOST_LETTERS])
    if watermark:
        put_watermark(image)
    png = BytesIO()
    image.save(png, "PNG", compress_level=1)
    return MadeEdit(png.getvalue(), *image.size)


class Workshop:
    """Runs work in its threads; as many pieces at a time as there are cores."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="sandbox")

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The outcome of `work`, made off the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """Waits for the pieces that are being worked on, and drops those that wait."""
        self._threads.shutdown(cancel_futures=True)
