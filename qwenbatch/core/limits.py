"""What a door to the model takes: rows that it cannot are refused, others are warned of.

Limits are those that the service or the server behind the door documents.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.items import Fault, UrlSource
from qwenbatch.core.pictures import (
    MAX_ADVISED_SIDE,
    MAX_INSTRUCTION_CHARACTERS,
    MAX_NEGATIVE_PROMPT_CHARACTERS,
    MIN_ADVISED_SIDE,
    Format,
    Reencode,
)

if TYPE_CHECKING:
    from qwenbatch.core.items import Row
    from qwenbatch.core.pictures import Picture


class PictureForm(StrEnum):
    """How a source's picture stands in a request."""

    DATA_URI = "data URI"
    BYTES = "bytes"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a door takes.

    `picture_bytes` and `formats` are those of pictures that go as bytes; as a data URI all formats
    go, up to MAX_DATA_URI_BYTES. `sides` are the least and the most pixels that are advised;
    `instruction` and `negative_prompt` the characters behind which a text is cut silently. None:
    no limit is known. `urls` and `watermark` say whether such rows can be edited at all.
    """

    form: PictureForm = PictureForm.DATA_URI
    picture_bytes: int | None = None
    formats: frozenset[Format] = frozenset(Format)
    sides: tuple[int, int] | None = (MIN_ADVISED_SIDE, MAX_ADVISED_SIDE)
    instruction: int | None = MAX_INSTRUCTION_CHARACTERS
    negative_prompt: int | None = MAX_NEGATIVE_PROMPT_CHARACTERS
    urls: bool = True
    watermark: bool = True

    def takes_as_it_is(self, picture: Picture) -> bool:
        """Whether a picture's own bytes can go; if not, it is re-encoded."""
        if self.form is PictureForm.DATA_URI:
            return picture.reencode is None
        return (
            picture.reencode in {None, Reencode.SIZE}
            and picture.format in self.formats
            and (self.picture_bytes is None or picture.size <= self.picture_bytes)
        )

    def refusal(self, row: Row) -> Fault | None:
        """Why this door cannot edit a row; None if it can."""
        if not self.urls and type(row.source) is UrlSource:
            return Fault(
                reason="this service takes no URLs, only pictures",
                column="image",
                advice="download the picture, and name its file",
            )
        if not self.watermark and row.watermark:
            return Fault(
                reason="this service has no watermark",
                column="watermark",
                advice="leave it out, or use a service that has one",
            )
        return None


MODEL_LIMITS = Limits()
"""Those of the service that hosts the model, and of the gateways before it."""


def picture_warnings(picture: Picture, limits: Limits = MODEL_LIMITS) -> tuple[str, ...]:
    """What a person should know before paying for an edit of this picture."""
    smallest, largest = sorted((picture.width, picture.height))
    least, most = limits.sides or (0, largest)
    if smallest >= least and largest <= most and not picture.alpha:
        return ()
    warnings = []
    width, height = picture.upright
    if smallest < least or largest > most:
        warnings.append(f"{width}×{height} px: the service advises sides of {least} to {most} px")
    if picture.alpha:
        warnings.append("it has transparency: no alpha channel comes back")
    return tuple(warnings)


def text_warnings(
    instruction: str,
    negative_prompt: str,
    limits: Limits = MODEL_LIMITS,
) -> tuple[str, ...]:
    """What the service will silently cut from an edit's texts."""
    warnings = []
    if limits.instruction is not None and len(instruction) > limits.instruction:
        warnings.append(
            f"its instruction has {len(instruction)} characters: "
            f"the service cuts it silently after about {limits.instruction}",
        )
    if limits.negative_prompt is not None and len(negative_prompt) > limits.negative_prompt:
        warnings.append(
            f"its negative prompt has {len(negative_prompt)} characters: "
            f"the service cuts it silently after {limits.negative_prompt}",
        )
    return tuple(warnings)
