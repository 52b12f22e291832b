"""Rows of a folder: its pictures, in the order in which a person would count them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.items import BadRow, Fault, Row, RowDefaults
from qwenbatch.core.paths import OWN_FOLDER
from qwenbatch.errors import ManifestError
from qwenbatch.manifest.fields import Stated, judge
from qwenbatch.manifest.picture_names import is_picture_file, is_picture_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIGITS = re.compile(r"[0-9]+")


class _Found(msgspec.Struct, frozen=True):
    """A picture, or a place that may hide some: its path relative to the folder, or its fault."""

    place: str
    fault: Fault | None = None


def folder_rows(base: str, defaults: RowDefaults, out: str | None) -> Iterator[Row | BadRow]:
    """A row for each picture below a folder; `base` and `out` are absolute and normalised.

    Left out are hidden files and folders, OUT, folders that hold `.qwenbatch`, linked folders,
    and files that are no pictures. Only the names of the folders on the way to a picture are
    held. Raises `ManifestError` where the folder itself cannot be read.
    """
    for number, found in enumerate(_walk(base, out), start=1):
        if found.fault is not None:
            yield BadRow(
                number=number,
                line=0,
                faults=(found.fault,),
                image=_readable(found.place),
                instruction=defaults.instruction or "",
                negative_prompt=defaults.negative_prompt,
                watermark=defaults.watermark,
            )
            continue
        stated = Stated(number=number, line=0, image=found.place)
        yield judge(stated, base=base, defaults=defaults)


def natural_key(name: str) -> tuple[str, str]:
    """What sorts `img2` before `img10`, and `B` between `a` and `c`; the name decides ties."""
    return _DIGITS.sub(_numbered, name.casefold()), name


def _numbered(digits: re.Match[str]) -> str:
    """Digits behind their count, so that the longer number sorts later; as text, so never slow."""
    number = digits[0].lstrip("0") or "0"
    return f"0{chr(len(number) + 32)}{number}"


def _walk(base: str, out: str | None) -> Iterator[_Found]:
    """Everything below the folder that becomes a row; a stack in place of recursion."""
    entries = _listed(base)
    if isinstance(entries, Fault):
        raise ManifestError(f"{base}: {entries.reason}", entries.advice)
    stack = [("", iter(entries))]
    while stack:
        place, names = stack[-1]
        name = next(names, None)
        if name is None:
            stack.pop()
            continue
        inner = place + name
        if not name.endswith("/"):
            yield from _judged(base, inner)
            continue
        if out is not None and _same_folder(f"{base}/{inner}", out):
            continue
        entries = _listed(f"{base}/{inner}")
        if isinstance(entries, Fault):
            yield _Found(inner, entries)
        elif entries:
            stack.append((inner, iter(entries)))


def _listed(path: str) -> list[str] | Fault:
    """A folder's names in natural order, sub-folders with `/` behind; none where it is an OUT."""
    names: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                name = entry.name
                if name == OWN_FOLDER:
                    return []
                if name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    names.append(name + "/")
                elif not (entry.is_symlink() and entry.is_dir()):
                    names.append(name)
    except OSError as error:
        return Fault(
            reason=f"the folder cannot be read: {error.strerror or error}",
            advice="make it readable, or move it elsewhere",
        )
    names.sort(key=natural_key)
    return names


def _judged(base: str, place: str) -> Iterator[_Found]:
    """The file as a row, if it is a picture."""
    path = f"{base}/{place}"
    if not _is_unicode(place):
        if is_picture_name(place) or is_picture_file(path):
            yield _Found(
                place,
                Fault(reason="its path is not valid UTF-8", column="image", advice="rename it"),
            )
    elif is_picture_name(place):
        yield _Found(place, None if os.path.isfile(path) else _not_a_file(path))  # noqa: PTH113 - a Path per file is slow
    elif os.path.isfile(path) and is_picture_file(path):  # noqa: PTH113 - likewise
        yield _Found(place)


def _not_a_file(path: str) -> Fault:
    linked = os.path.islink(path)  # noqa: PTH114 - likewise
    reason = "it is a link that leads to no file" if linked else "it is not a regular file"
    return Fault(reason=reason, column="image", advice="remove it, or put the picture there")


def _same_folder(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)  # noqa: PTH121 - likewise
    except OSError:
        return False


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _readable(place: str) -> str:
    """A path as text that any file takes: bytes that are not UTF-8 become escapes."""
    return os.fsencode(place).decode(errors="backslashreplace")
