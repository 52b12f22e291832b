"""The edits that the sandbox knows by name, recognised in an instruction's words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class NamedEdit:
    """What the words of `pattern` do to a picture."""

    pattern: re.Pattern[str]
    apply: Callable[[Image.Image], Image.Image]


def _sepia(image: Image.Image) -> Image.Image:
    return ImageOps.colorize(ImageOps.grayscale(image), black="#1b0f05", white="#ffedcc")


def _edit(pattern: str, apply: Callable[[Image.Image], Image.Image]) -> NamedEdit:
    return NamedEdit(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), apply)


_LEFT = r"left|270|counter-?clockwise|anti-?clockwise"
_RIGHT = r"right|90|clockwise"

NAMED_EDITS: tuple[NamedEdit, ...] = (
    _edit(
        rf"rotat\w*(?=.{{0,40}}\b(?:{_LEFT})\b)",
        lambda image: image.transpose(Image.Transpose.ROTATE_90),
    ),
    _edit(
        rf"rotat\w*(?=.{{0,40}}\b(?:{_RIGHT})\b)(?!.{{0,40}}\b(?:{_LEFT})\b)",
        lambda image: image.transpose(Image.Transpose.ROTATE_270),
    ),
    _edit(
        rf"rotat\w*(?!.{{0,40}}\b(?:{_LEFT}|{_RIGHT})\b)|upside[- ]down",
        lambda image: image.transpose(Image.Transpose.ROTATE_180),
    ),
    _edit(
        r"flip\w* (?:\w+ ){0,3}vertically",
        ImageOps.flip,
    ),
    _edit(
        r"mirror(?:ed|ing)?|flip(?:ped|ping)?(?! (?:\w+ ){0,3}vertically)",
        ImageOps.mirror,
    ),
    _edit(r"brighte(?:n|ned|r|ning)", lambda image: ImageEnhance.Brightness(image).enhance(1.5)),
    _edit(r"dark(?:en|ened|er|ening)", lambda image: ImageEnhance.Brightness(image).enhance(0.55)),
    _edit(
        r"blur(?:red|ry|ring)?",
        lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 160)),
    ),
    _edit(
        r"sharp(?:en|ened|er|ening)",
        lambda image: image.filter(ImageFilter.UnsharpMask(radius=3, percent=250, threshold=0)),
    ),
    _edit(r"emboss(?:ed|ing)?", lambda image: image.filter(ImageFilter.EMBOSS)),
    _edit(r"edges?|outlines?", lambda image: image.filter(ImageFilter.FIND_EDGES)),
    _edit(r"posteri[sz](?:e|ed|ing|ation)", lambda image: ImageOps.posterize(image, 2)),
    _edit(r"solari[sz](?:e|ed|ing|ation)", ImageOps.solarize),
    _edit(r"sepia", _sepia),
    _edit(
        r"gr[ae]y[- ]?scale|black[- ]and[- ]white|monochrome",
        lambda image: ImageOps.grayscale(image).convert("RGB"),
    ),
    _edit(r"invert(?:ed|ing)?|negative", ImageOps.invert),
)
"""In the order in which several of them are applied; colours come last."""


def edits_named(instruction: str) -> tuple[NamedEdit, ...]:
    """The edits that this instruction names; none: it is to be written into the picture."""
    return tuple(edit for edit in NAMED_EDITS if edit.pattern.search(instruction))
