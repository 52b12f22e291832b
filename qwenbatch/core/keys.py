"""The edit key: the name of what is paid for. Its recipe never changes; a golden test pins it."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import NewType
from urllib.parse import unquote_plus

from qwenbatch.core.items import MODEL

EditKey = NewType("EditKey", bytes)
"""The 32 bytes of an edit's key; people see them as 64 hexadecimal digits."""

_SIGNATURES = frozenset(
    {"Signature", "Expires", "Key-Pair-Id", "Policy", "AWSAccessKeyId", "GoogleAccessId"},
)
_SIGNATURE_PREFIXES = ("X-Amz-", "X-Goog-")
_AZURE_SIGNATURES = frozenset(
    "sig sv se st sp sr spr sip skoid sktid skt ske sks skv".split(),  # noqa: SIM905 - as in SAS
)


def canonical_url(url: str) -> str:
    """A source URL without what only signs it, so that a re-signed URL is the same source.

    The rest of the text stays as it is, to the letter.
    """
    address, hash_, fragment = url.partition("#")
    head, _, query = address.partition("?")
    parameters = query.split("&")
    names = [unquote_plus(parameter.partition("=")[0]) for parameter in parameters]
    azure = _AZURE_SIGNATURES if "sig" in names else frozenset[str]()
    kept = [
        parameter
        for parameter, name in zip(parameters, names, strict=True)
        if not (name in _SIGNATURES or name.startswith(_SIGNATURE_PREFIXES) or name in azure)
    ]
    if len(kept) == len(parameters):
        return url
    query = "&".join(kept)
    return head + (f"?{query}" if query else "") + hash_ + fragment


def edit_key(
    *,
    source: str,
    instruction: str,
    negative_prompt: str = "",
    watermark: bool = False,
    take: int = 1,
) -> EditKey:
    """SHA-256 over `v1` and the length-prefixed fields, in this order.

    `source` is the lower-case hexadecimal SHA-256 of the picture's bytes, or a canonical URL.
    Each field is its length in bytes as 8 big-endian bytes, then its UTF-8 text; the watermark
    is `true` or `false`, the take a decimal number.
    """
    of_source, of_instruction = source.encode(), instruction.encode()
    return EditKey(
        sha256(
            b"".join(
                (
                    _HEAD,
                    len(of_source).to_bytes(8),
                    of_source,
                    len(of_instruction).to_bytes(8),
                    of_instruction,
                    _tail(negative_prompt, watermark, take),
                ),
            ),
        ).digest(),
    )


def _fields(*fields: bytes) -> bytes:
    return b"".join(part for field in fields for part in (len(field).to_bytes(8), field))


@lru_cache(maxsize=1024)
def _tail(negative_prompt: str, watermark: bool, take: int) -> bytes:  # noqa: FBT001 - positions are cached faster
    """The last fields, which are those of most rows alike."""
    return _fields(negative_prompt.encode(), b"true" if watermark else b"false", b"%d" % take)


_HEAD = b"v1" + _fields(MODEL.encode())
