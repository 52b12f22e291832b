"""The words of the plan as values: rows, their sources, their faults.

Rows come by the million, so they are msgspec structs: frozen, slotted, and ten times cheaper to
make than dataclasses; as they hold no cycles, the garbage collector leaves them alone; where they
are encoded, their fields go without names. They are final, so that `type(row) is Row` tells them
apart: isinstance of a Struct is an ABC's, and ten times slower.
"""

from __future__ import annotations

from typing import TypeAlias, final

import msgspec

MODEL = "qwen-image-edit"
"""The only model that the service's endpoint takes."""


@final
class FileSource(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="file"):
    """A picture in a file; `path` is absolute and normalised lexically."""

    path: str


@final
class UrlSource(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="url"):
    """A picture that the service itself fetches."""

    url: str


@final
class ObjectSource(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="object"):
    """A picture in an object store; `url` is that of a `StoreUrl`."""

    url: str


@final
class InlineSource(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="inline"):
    r"""A picture that stands as a data URI in a JSONL manifest.

    `offset` and `length` name the base64 text inside the manifest's file, in bytes; it may hold
    JSON's `\/` for `/`.
    """

    manifest: str
    offset: int
    length: int


Source: TypeAlias = FileSource | UrlSource | ObjectSource | InlineSource


@final
class Fault(msgspec.Struct, frozen=True, gc=False):
    """Why a row is invalid: the column if one is to blame, the reason, and what to do."""

    reason: str
    column: str | None = None
    advice: str = ""


@final
class Row(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One item as its manifest states it, before its source has been read.

    `number` counts items from 1; `line` is where the row begins in the manifest (0 for a folder's
    file). `image` is the text as it stood, `mirror` the source's place relative to the manifest's
    folder in POSIX form (`sub/a.jpg`; the name alone where it lies elsewhere), from which default
    names are made. `output` is the wanted path relative to OUT, already checked by
    `core.paths.check_output`. `extra` holds the columns that are not ours, as a JSON object.
    """

    number: int
    line: int
    image: str
    source: Source
    mirror: str
    instruction: str
    negative_prompt: str = ""
    watermark: bool = False
    take: int = 1
    output: str | None = None
    id: str | None = None
    extra: bytes = b"{}"


@final
class BadRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A row that this run refuses: what could be read of it, and its faults.

    `source` is given where it could be made out: no result may land on it all the same.
    """

    number: int
    line: int
    faults: tuple[Fault, ...]
    image: str = ""
    source: Source | None = None
    instruction: str = ""
    negative_prompt: str = ""
    watermark: bool = False
    take: int = 1
    output: str | None = None
    id: str | None = None
    extra: bytes = b"{}"


class RowDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every row that does not say otherwise."""

    instruction: str | None = None
    negative_prompt: str = ""
    watermark: bool = False
