"""The names of results whose rows ask for none: made from their sources' names.

They are safe by construction: whatever `default_output` returns, `check_output` lets pass
unchanged.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import unquote

from qwenbatch.core.paths import MAX_PATH_BYTES, is_plain, safe_name

if TYPE_CHECKING:
    from qwenbatch.core.paths import Template


class NameLevel(IntEnum):
    """How far a default name goes to be unlike the others; a clash asks for the next."""

    STEM = 0
    """`sub/a.jpg` → `sub/a.png`."""
    WHOLE = 1
    """`sub/a.jpg` → `sub/a.jpg.png`."""
    KEYED = 2
    """`sub/a.jpg` → `sub/a.jpg-1a2b3c4d.png`, with the key's first eight digits."""


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
    ending = f"-{key_hex[:8]}" if level == NameLevel.KEYED else ""
    if template is None and is_plain(mirror):
        stem, dot, extension = mirror.rpartition(".")
        plain = stem if level == NameLevel.STEM and dot and "/" not in extension else mirror
        return f"{plain}{ending}.png"
    folder, _, whole = mirror.rpartition("/")
    stem, dot, _ = whole.rpartition(".")
    if level != NameLevel.STEM or not dot or not stem:
        stem = whole
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
