"""Where a result comes from: what was asked of which picture, of whom, and what it cost.

It travels with a result as a *sidecar*, a JSON file beside it, or as texts inside a PNG.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from qwenbatch.core.items import MODEL
from qwenbatch.core.keys import EditKey
from qwenbatch.core.money import MicroUSD, usd
from qwenbatch.core.standing import utc

SIDECAR_MARK = "qwenbatch_sidecar"
"""The first key of a sidecar, by which it is known; its value is the form's version."""

SIDECAR_VERSION = 1

MOST_SIDECAR_BYTES = 4 * 1024 * 1024
"""No sidecar is longer: an instruction and a negative prompt have bounds of their own."""

_RESULT_END = re.compile(r"\.png(?:\.(?:jpg|webp|gif|bmp|tiff))?\Z", re.IGNORECASE)


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an edit that is paid for.

    `source` is the picture's absolute path, or its URL without what only signs it (`is_url`);
    `source_digest` is the SHA-256 of its bytes, None where only the service read it, and where it
    is known no longer.
    `cost` is what was paid for the edit in all; `finished_at` is in seconds since the epoch,
    `seconds` from permit to answer.
    """

    key: EditKey
    instruction: str
    negative_prompt: str
    watermark: bool
    take: int
    source: str
    is_url: bool
    source_digest: bytes | None
    service: str
    request_id: str
    cost: MicroUSD
    finished_at: float | None
    seconds: float | None


class PlacedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A result's file: `path` relative to OUT as its file is named, its SHA-256."""

    path: str
    digest: bytes


def sidecar_path(path: str) -> str:
    """Where the sidecar of a result lies: `a/b.json` for `a/b.png`, and for `a/b.png.jpg` too."""
    return _RESULT_END.sub("", path) + ".json"


def sidecar(
    provenance: Provenance, placed: PlacedFile, size: tuple[int, int] | None, *, version: str
) -> bytes:
    """A sidecar's content; `size` is the result's in pixels, `version` that of this program."""
    width, height = size or (None, None)
    finished = provenance.finished_at
    digest = provenance.source_digest
    told: dict[str, Any] = {
        SIDECAR_MARK: SIDECAR_VERSION,
        "result": placed.path,
        "sha256": placed.digest.hex(),
        "width": width,
        "height": height,
        "instruction": provenance.instruction,
        "negative_prompt": provenance.negative_prompt,
        "watermark": provenance.watermark,
        "take": provenance.take,
        "model": MODEL,
        "service": provenance.service,
        "request_id": provenance.request_id,
        "key": provenance.key.hex(),
        "source": {
            "url" if provenance.is_url else "path": provenance.source,
            "sha256": None if digest is None else digest.hex(),
        },
        "cost": usd(provenance.cost),
        "currency": "USD",
        "finished_at": None if finished is None else utc(finished),
        "seconds": provenance.seconds,
        "tool": f"qwenbatch {version}",
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"


def is_sidecar(content: bytes) -> bool:
    """Whether a file's content is that of a sidecar of ours."""
    return _read(content) is not None


def tells_of(content: bytes, digest: bytes, key: EditKey | None = None) -> bool:
    """Whether a sidecar is that of a result with these bytes, and of this edit if one is named."""
    told = _read(content)
    if told is None or told.get("sha256") != digest.hex():
        return False
    return key is None or told.get("key") == key.hex()


def embedded_texts(provenance: Provenance, *, version: str) -> dict[str, str]:
    """The texts that a PNG carries, by their keywords; `Software` is one that PNG itself knows."""
    texts = {
        "instruction": provenance.instruction,
        "negative_prompt": provenance.negative_prompt,
        "model": MODEL,
        "request_id": provenance.request_id,
        "edit_key": provenance.key.hex(),
        "Software": f"qwenbatch {version}",
    }
    return {keyword: text for keyword, text in texts.items() if text}


def _read(content: bytes) -> dict[str, Any] | None:
    try:
        told = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return None
    return told if isinstance(told, dict) and SIDECAR_MARK in told else None
