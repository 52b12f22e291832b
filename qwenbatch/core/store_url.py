"""Places in object stores, by their URLs: `s3://bucket/key`, `gs://bucket/key`, `az://container/key`.

A key stands in its URL as it is: nothing is percent-encoded or decoded, `?` and `#` mean nothing.
"""

from __future__ import annotations

import re

import msgspec

SCHEMES = ("s3", "gs", "az")
"""The stores that are known: Amazon's S3 and what speaks like it, Google's, Azure's."""

_split = re.compile(
    rf"({'|'.join(SCHEMES)})://([^/]*)(?:/(.*))?", re.IGNORECASE | re.DOTALL
).fullmatch
_is_bucket = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,221}").fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MOST_KEY_BYTES = 1024
"""UTF-8 bytes of a key: what S3, Google and Azure take."""


class StoreUrl(msgspec.Struct, frozen=True):
    """An object, or a folder of them: a key without `/` at its ends; an empty one is the bucket."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.key}" if self.key else "")

    def __truediv__(self, inner: str) -> StoreUrl:
        """A place below this one."""
        return StoreUrl(self.scheme, self.bucket, f"{self.key}/{inner}" if self.key else inner)

    @property
    def name(self) -> str:
        """The last segment; the bucket's name where there is none."""
        return self.key.rpartition("/")[2] or self.bucket

    @property
    def stem(self) -> str:
        """The name without its extension."""
        stem, dot, _ = self.name.rpartition(".")
        return stem if dot and stem else self.name

    @property
    def suffix(self) -> str:
        """The name's extension with its dot, or nothing."""
        return self.name[len(self.stem) :]

    @property
    def parent(self) -> StoreUrl:
        """The folder in which it lies; a bucket lies in itself."""
        return StoreUrl(self.scheme, self.bucket, self.key.rpartition("/")[0])

    def holds(self, other: StoreUrl) -> bool:
        """Whether another place is this one, or lies below it."""
        here = (self.scheme, self.bucket) == (other.scheme, other.bucket)
        return here and (not self.key or f"{other.key}/".startswith(f"{self.key}/"))


def is_store_url(text: str) -> bool:
    """Whether a text means a place in a store, well-formed or not."""
    return text[:5].lower().startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def parse_store_url(text: str) -> StoreUrl:
    """The place that a URL names; ValueError says what is wrong with it."""
    found = _split(text)
    if found is None:
        raise ValueError(f"{text} is no URL of an object store")
    scheme, bucket, key = found[1].lower(), found[2], (found[3] or "").removesuffix("/")
    if not _is_bucket(bucket):
        raise ValueError(f"{text}: {bucket!r} is no name of a bucket: write {scheme}://bucket/key")
    if _CONTROL.search(key):
        raise ValueError(f"{text!r} holds a control character")
    if any(part in {"", ".", ".."} for part in key.split("/")) and key:
        raise ValueError(f"{text}: an empty segment, . or .. in a key cannot be reached")
    if len(key.encode(errors="surrogatepass")) > MOST_KEY_BYTES:
        raise ValueError(f"{text}: the key is longer than {MOST_KEY_BYTES:,} bytes")
    return StoreUrl(scheme, bucket, key)
