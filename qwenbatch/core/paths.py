"""The rules of paths below OUT: which a row or a template may ask for.

A path is judged by the rules of POSIX and of Windows on every system, so that a manifest means
the same everywhere. What a name must be made safe from stands beside what is refused.
"""

from __future__ import annotations

import re
from hashlib import sha256
from string import Formatter
from typing import TYPE_CHECKING
from unicodedata import category, normalize

import msgspec

from qwenbatch.core.items import Fault
from qwenbatch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

OWN_FOLDER = ".qwenbatch"
"""The folder in OUT that is ours: no result goes below a folder of this name."""

MAX_SEGMENT_BYTES = 240
"""UTF-8 bytes of one name; file systems take 255, results may get a suffix such as `.jpg`."""

MAX_PATH_BYTES = 1_000
"""UTF-8 bytes of a whole path relative to OUT."""

TEMPLATE_FIELDS = ("dir", "stem", "id", "take", "key")
"""What a template for names may ask for."""

_RESERVED = r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.[^/]*)?"
_PLAIN_SEGMENT = (
    r"(?![~-])"
    r"(?!(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?![A-Za-z0-9_]))"
    r"[A-Za-z0-9_()+,=@&~'#!%-]++(?:[. ][A-Za-z0-9_()+,=@&~'#!%-]++)*+"
)
_PLAIN_LENGTH = 200

_is_plain_segment = re.compile(_PLAIN_SEGMENT).fullmatch
_is_plain_path = re.compile(rf"{_PLAIN_SEGMENT}(?:/{_PLAIN_SEGMENT})*+").fullmatch
_is_reserved = re.compile(_RESERVED, re.IGNORECASE).fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_INVISIBLE = (
    "\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0001"
)
"""What is not seen, or turns the letters behind it round; but not the two joiners, which scripts
and emoji need."""

_find_invisible = re.compile(f"[{_INVISIBLE}]").search
_UNSAFE = re.compile(rf'[\x00-\x1f\x7f-\x9f\ud800-\udfff<>:"|?*/\\{_INVISIBLE}]')
_OPTION_OR_HOME = ("-", "~")
"""How a name must not begin: `rm *` would take it for an option, a shell for someone's home."""

_OTHER_PICTURE = re.compile(r"\.(?:jpe?g|jfif|webp|gif|tiff?|bmp|hei[cf]|avif)", re.IGNORECASE)

_INSIDE = "write a path relative to OUT, such as shoes/red.png"
_WHOLE_RULES: tuple[tuple[Callable[[str, list[str]], object], str, str], ...] = (
    (lambda text, _: not text, "the output is empty", "leave it out, or " + _INSIDE),
    (
        lambda text, _: _SURROGATE.search(text),
        "the output is not valid Unicode",
        "save the manifest as UTF-8",
    ),
    (lambda text, _: _CONTROL.search(text), "the output holds a control character", "remove it"),
    (lambda text, _: text.startswith(("//", "\\\\")), "the output is a network path", _INSIDE),
    (lambda text, _: text.startswith("/"), "the output is an absolute path", _INSIDE),
    (lambda text, _: re.match(r"[A-Za-z]:", text), "the output names a drive", _INSIDE),
    (lambda text, _: "\\" in text, "the output holds a backslash", "write / between folders"),
    (lambda _, segments: ".." in segments, "the output leads out of OUT (..)", _INSIDE),
    (
        lambda text, segments: not segments or text.endswith(("/", "/.")),
        "the output names a folder",
        "write the file's name behind it",
    ),
    (
        lambda _, segments: len("/".join(segments).encode()) > MAX_PATH_BYTES,
        f"the output is longer than {MAX_PATH_BYTES:,} bytes",
        "shorten it",
    ),
)


class Template(msgspec.Struct, frozen=True):
    """A parsed `--name`: literal texts, each followed by a field's name or None at the end.

    `suffix` is the `.png` that the name ends in, as it was written.
    """

    parts: tuple[tuple[str, str | None], ...]
    suffix: str = ".png"

    def __str__(self) -> str:
        """As it is written for `--name`."""
        braces = str.maketrans({"{": "{{", "}": "}}"})
        written = (
            literal.translate(braces) + (f"{{{field}}}" if field else "")
            for literal, field in self.parts
        )
        return "".join(written) + self.suffix


def fold(path: str) -> str:
    """The form under which two paths clash where case or Unicode's forms make no difference."""
    if path.isascii():
        return path.lower()
    return normalize("NFC", normalize("NFC", path).casefold())


def is_plain(path: str) -> bool:
    """Whether a path is so plain and short that no rule could refuse it, or a part of it."""
    return len(path) <= _PLAIN_LENGTH and _is_plain_path(path) is not None


def check_output(text: str) -> str | Fault:
    """The path that a row asks for, in POSIX form relative to OUT; or why it cannot be had.

    `.` and empty segments are dropped; everything else stays as it was written.
    """
    if text.endswith(".png") and is_plain(text):
        return text
    segments = [segment for segment in text.split("/") if segment not in {"", "."}]
    return _whole_fault(text, segments) or _segments_fault(segments) or "/".join(segments)


def _refusal(reason: str, advice: str) -> Fault:
    return Fault(reason=reason, column="output", advice=advice)


def _whole_fault(text: str, segments: list[str]) -> Fault | None:
    """Why a path as a whole cannot be had."""
    for applies, reason, advice in _WHOLE_RULES:
        if applies(text, segments):
            return _refusal(reason, advice)
    return _ending_fault(segments[-1])


def _ending_fault(name: str) -> Fault | None:
    """Why a file's name is not that of a PNG."""
    stem, dot, extension = name.rpartition(".")
    if not dot:
        return _refusal("the output has no extension", f"write {name}.png")
    if extension.lower() != "png":
        return _refusal(
            f"the output's extension is .{extension}: results are PNG",
            f"write {stem or 'name'}.png",
        )
    if not stem.strip(". "):
        return _refusal("the output has no name before .png", "write name.png")
    return None


def _segments_fault(segments: list[str]) -> Fault | None:
    """Why one of a path's names cannot be had."""
    for segment in segments:
        if fault := _letters_fault(segment):
            return fault
        if segment.endswith((".", " ")):
            return _refusal(
                f'"{segment}" in the output ends in a dot or a blank',
                "Windows drops it: remove it",
            )
        if _is_reserved(segment):
            return _refusal(
                f'"{segment}" in the output is a device on Windows',
                "choose another name",
            )
        if _is_own(segment):
            return _refusal(
                f"the output lies below {OWN_FOLDER}, which is this program's own",
                "choose another folder",
            )
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            return _refusal(
                f"a name in the output is longer than {MAX_SEGMENT_BYTES} bytes",
                "shorten it",
            )
    return None


def _letters_fault(segment: str) -> Fault | None:
    """Why one of a path's names cannot be had for a letter that stands in it."""
    if found := _find_invisible(segment):
        return _refusal(
            f"the output holds an invisible character (U+{ord(found[0]):04X})",
            "remove it: the name would not be what it looks like",
        )
    if segment.startswith(_OPTION_OR_HOME):
        return _refusal(
            f'"{segment}" in the output begins with {segment[0]}',
            "begin it otherwise: commands would take it for an option, or for a home folder",
        )
    if found := _FORBIDDEN.search(segment):
        return _refusal(f"the output holds {found[0]}", "Windows forbids it: remove it")
    return None


def _is_own(segment: str) -> bool:
    """Whether a file system could take this name for ours: some ignore invisible characters."""
    if not segment.isascii():
        segment = "".join(letter for letter in segment if category(letter) != "Cf")
    return fold(segment) == OWN_FOLDER


def safe_name(name: str, *, suffix: str = "") -> str:
    """One name, made safe for every system, with a suffix that is never cut.

    What is forbidden becomes `_`; a name that is too long is cut, with `-` and eight digits of
    the whole name's SHA-256 in place of what was cut.
    """
    if len(name) <= _PLAIN_LENGTH and _is_plain_segment(name):
        return name + suffix
    safe = _UNSAFE.sub("_", name)
    bare = safe.rstrip(". ")
    safe = bare + "_" * (len(safe) - len(bare)) or "_"
    whole = safe + suffix
    if whole.startswith(_OPTION_OR_HOME) or _is_reserved(whole) or _is_own(whole):
        safe = "_" + safe
    room = MAX_SEGMENT_BYTES - len(suffix.encode())
    encoded = safe.encode()
    if len(encoded) > room:
        digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
        safe = encoded[: room - 9].decode(errors="ignore").rstrip(". ") + "-" + digest
    return safe + suffix


def parse_template(text: str) -> Template:
    """The template that `--name` gives; `.png` is added unless it ends so.

    Raises `UsageError` for unknown fields, conversions, format specifications, and whatever
    `check_output` would refuse in the text between the fields.
    """
    parts = _template_parts(text)
    literal, last = parts[-1] if parts else ("", None)
    suffix = ".png"
    if parts and last is None:
        if literal.lower().endswith(".png"):
            literal, suffix = literal[:-4], literal[-4:]
            parts[-1] = (literal, None)
        elif found := re.search(_OTHER_PICTURE.pattern + "$", literal, re.IGNORECASE):
            raise UsageError(f"it ends in {found[0]}: results are PNG", "End it in .png")
    sample = "".join(before + ("x" if field else "") for before, field in parts)
    checked = check_output(sample + suffix if sample else sample)
    if isinstance(checked, Fault):
        reason = checked.reason.replace("the output", "the name")
        raise UsageError(f'"{text}": {reason}', checked.advice)
    return Template(parts=tuple(parts), suffix=suffix)


def _template_parts(text: str) -> list[tuple[str, str | None]]:
    known = ", ".join(f"{{{name}}}" for name in TEMPLATE_FIELDS)
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise UsageError(f'"{text}": {error}', f"It knows {known}") from None
    for _, field, specification, conversion in parsed:
        if field is not None and field not in TEMPLATE_FIELDS:
            raise UsageError(f'"{text}": unknown field {{{field}}}', f"It knows {known}")
        if specification or conversion:
            raise UsageError(
                f'"{text}": {{{field}}} takes no conversion or format',
                f"Write {{{field}}} alone",
            )
    return [(literal, field) for literal, field, _, _ in parsed]
