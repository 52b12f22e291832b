"""Writes into a picture: an instruction on a band, and the watermark."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

_LARGEST_LETTERS = 34
_SMALLEST_LETTERS = 9
_BAND_SHARE = 0.45
_MARK_TEXT = "sandbox"

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def write_instruction(image: Image.Image, instruction: str) -> None:
    """Writes `instruction`, wrapped, on a dark band over the lower part of the picture.

    The letters shrink until the band takes less than half of the picture; what still does not
    fit is left out.
    """
    width, height = image.size
    margin = max(2, min(width, height) // 40)
    font, lines, line_height = _fitted(
        " ".join(instruction.split()),
        width - 2 * margin,
        max(1, int(height * _BAND_SHARE) - 2 * margin),
    )
    band = min(height, len(lines) * line_height + 2 * margin)
    ground = Image.new("RGB", (width, band), "#101820")
    image.paste(ground, (0, height - band))
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        draw.text((margin, height - band + margin + row * line_height), line, "#fee715", font=font)


def put_watermark(image: Image.Image) -> None:
    """Puts a small mark into the bottom right corner."""
    width, height = image.size
    font = ImageFont.load_default(max(_SMALLEST_LETTERS, min(width, height) // 40))
    left, top, right, bottom = font.getbbox(_MARK_TEXT)
    box_width, box_height = min(width, int(right - left) + 8), min(height, int(bottom - top) + 8)
    corner = (width - box_width, height - box_height)
    image.paste(Image.new("RGB", (box_width, box_height), "white"), corner)
    draw = ImageDraw.Draw(image)
    draw.text((corner[0] + 4 - left, corner[1] + 4 - top), _MARK_TEXT, "black", font=font)


def _fitted(text: str, width: int, height: int) -> tuple[_Font, list[str], int]:
    size = _LARGEST_LETTERS
    while True:
        font = ImageFont.load_default(size)
        line_height = round(size * 1.3)
        lines = _wrapped(text, font, width)
        if len(lines) * line_height <= height or size <= _SMALLEST_LETTERS:
            return font, lines[: max(1, height // line_height)], line_height
        size = max(_SMALLEST_LETTERS, int(size * 0.85))


def _wrapped(text: str, font: _Font, width: int) -> list[str]:
    lines, line = [], ""
    for word in _pieces(text, font, width):
        longer = f"{line} {word}" if line else word
        if line and font.getlength(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line]


def _pieces(text: str, font: _Font, width: int) -> list[str]:
    """Words, those that are wider than a line cut to its width."""
    pieces = []
    for word in text.split(" "):
        rest = word
        while len(rest) > 1 and font.getlength(rest) > width:
            keep = max(1, int(len(rest) * width / font.getlength(rest)))
            pieces.append(rest[:keep])
            rest = rest[keep:]
        pieces.append(rest)
    return pieces
