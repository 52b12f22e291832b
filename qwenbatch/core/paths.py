"""The rules of paths below OUT: which a row may ask for, and which it gets if it asks for none.

A path is judged by the rules of POSIX and of Windows on every system, so that a manifest means
the same everywhere. Names made from a source's name are safe by construction: whatever
`default_output` returns, `check_output` lets pass unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from string import Formatter
from typing import TYPE_CHECKING
from unicodedata import category, normalize
from urllib.parse import unquote

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
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff<>:"|?*/\\]')
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


class NameLevel(IntEnum):
    """How far a default name goes to be unlike the others; a clash asks for the next."""

    STEM = 0
    """`sub/a.jpg` → `sub/a.png`."""
    WHOLE = 1
    """`sub/a.jpg` → `sub/a.jpg.png`."""
    KEYED = 2
    """`sub/a.jpg` → `sub/a.jpg-1a2b3c4d.png`, with the key's first eight digits."""


@dataclass(frozen=True, slots=True)
class Template:
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


def check_output(text: str) -> str | Fault:
    """The path that a row asks for, in POSIX form relative to OUT; or why it cannot be had.

    `.` and empty segments are dropped; everything else stays as it was written.
    """
    if len(text) <= _PLAIN_LENGTH and text.endswith(".png") and _is_plain_path(text):
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
        if found := _FORBIDDEN.search(segment):
            return _refusal(f"the output holds {found[0]}", "Windows forbids it: remove it")
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
    if _is_reserved(safe + suffix) or _is_own(safe + suffix):
        safe = "_" + safe
    room = MAX_SEGMENT_BYTES - len(suffix.encode())
    encoded = safe.encode()
    if len(encoded) > room:
        digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
        safe = encoded[: room - 9].decode(errors="ignore").rstrip(". ") + "-" + digest
    return safe + suffix


@lru_cache(maxsize=4096)
def _safe_folder(folder: str) -> str:
    """A relative folder, each of its names made safe; empty for OUT itself."""
    return "/".join(safe_name(part) for part in folder.split("/") if part not in {"", "."})


def _join(folder: str, name: str) -> str:
    """A safe folder and a safe name; a folder that is too long gives way to its digest."""
    if not folder:
        return name
    path = f"{folder}/{name}"
    if len(path) > MAX_PATH_BYTES // 4 and len(path.encode()) > MAX_PATH_BYTES:
        return f"{sha256(folder.encode()).hexdigest()[:8]}/{name}"
    return path


def default_output(
    *,
    mirror: str,
    level: NameLevel,
    key_hex: str,
    template: Template | None = None,
    id: str | None = None,  # noqa: A002 - the column's own name
    take: int = 1,
) -> str:
    """The path, relative to OUT, of a result whose row asks for none.

    `mirror` is the source's place in POSIX form, `key_hex` the edit's key. Always a path that
    `check_output` returns unchanged.
    """
    folder, _, whole = mirror.rpartition("/")
    stem, dot, _ = whole.rpartition(".")
    if level != NameLevel.STEM or not dot or not stem:
        stem = whole
    ending = f"-{key_hex[:8]}" if level == NameLevel.KEYED else ""
    if folder:
        folder = _safe_folder(folder)
    if template is None:
        return _join(folder, safe_name(stem, suffix=f"{ending}.png"))
    values = {
        "dir": folder,
        "stem": stem.replace("/", "_"),
        "id": (id or stem).replace("/", "_"),
        "take": str(take),
        "key": key_hex,
    }
    filled = "".join(
        literal + (values[field] if field else "") for literal, field in template.parts
    )
    folder, _, name = filled.rpartition("/")
    return _join(_safe_folder(folder), safe_name(name, suffix=ending + template.suffix))


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


def mirror_of(image: str, base: str) -> str:
    """An image's place relative to the manifest's folder; outside of it, its name alone.

    Both are absolute POSIX paths, normalised lexically.
    """
    prefix = base if base.endswith("/") else base + "/"
    if image.startswith(prefix):
        return image[len(prefix) :]
    return image.rpartition("/")[2]


def mirror_of_url(url: str) -> str:
    """The last segment of a URL's path, percent-decoded; the host's name where that is empty."""
    rest = url.partition("://")[2].partition("#")[0].partition("?")[0]
    authority, _, path = rest.partition("/")
    name = path.rpartition("/")[2]
    if "%" in name:
        name = unquote(name, errors="replace").replace("/", "_")
    return name or authority.rpartition("@")[2].partition(":")[0]


def mirror_of_inline(number: int, mime: str) -> str:
    """A name for a picture that has none: that of its item's number, from 1."""
    kind = mime.partition("/")[2]
    return f"image-{number}.{'jpg' if kind == 'jpeg' else kind}"
