"""What a manifest's `image` says, as a source.

Nothing is looked up, neither disk nor network, but for a relative path that holds a backslash.
"""

from __future__ import annotations

import os
import re
from posixpath import join, normpath
from urllib.parse import urlsplit

from qwenbatch.core.items import Fault, FileSource, ObjectSource, Source, UrlSource
from qwenbatch.core.naming import mirror_of, mirror_of_url
from qwenbatch.core.store_url import SCHEMES, parse_store_url

MAX_URL_CHARACTERS = 8_000
MAX_PATH_BYTES = 4_095
"""What Linux takes; longer paths name nothing."""

_is_plain_path = re.compile(
    r"[A-Za-z0-9_()+,=@&~'#!% -][A-Za-z0-9_()+,=@&~'#!%. -]*+"
    r"(?:/[A-Za-z0-9_()+,=@&~'#!% -][A-Za-z0-9_()+,=@&~'#!%. -]*+)*+"
).fullmatch
_is_plain_url = re.compile(
    r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,4})?(?:[/?#][!-\[\]-~]*)?"
).fullmatch
_scheme = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):(//)?").match
_has_drive = re.compile(r"[A-Za-z]:\\").match
_BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


def image_source(text: str, base: str) -> tuple[Source, str] | Fault:
    """The source that a text names, with its mirror; or why it names none.

    `base` is the manifest's folder, absolute and normalised, or the URL of one in a store. Data
    URIs are refused: they have a place of their own only in JSONL, which looks for them first.
    """
    if ":" in text and (scheme := _scheme(text)):
        name, slashes = scheme[1].lower(), scheme[2]
        if name in {"http", "https"}:
            return _url_source(text)
        if slashes and name in SCHEMES:
            return _object_source(text, base)
        if slashes or name in {"data", "file"}:
            return _foreign(name)
    if "://" in base and not text.startswith("/"):
        return _beside(text, base)
    if _is_plain_path(text):
        path = f"{base}/{text}" if base != "/" else f"/{text}"
        if len(path) <= MAX_PATH_BYTES // 4:
            return FileSource(path), text
    return _file_source(text, base)


def _refusal(reason: str, advice: str) -> Fault:
    return Fault(reason=reason, column="image", advice=advice)


def _foreign(scheme: str) -> Fault:
    """Why an image under another scheme is not taken."""
    if scheme == "file":
        return _refusal("a file: URL is not taken", "write the path itself")
    if scheme == "data":
        return _refusal(
            "a data URI is taken only from a JSONL manifest, as data:<type>;base64,<data>",
            "write the picture to a file and name that",
        )
    return _refusal(
        f"{scheme}:// is not supported: an image is a file, an http(s) URL,"
        f" or lies in a store ({', '.join(f'{known}://' for known in SCHEMES)})",
        "copy the pictures to this machine, or give signed https URLs",
    )


def _file_source(text: str, base: str) -> tuple[Source, str] | Fault:
    if not text:
        return _refusal("the image is empty", "give a path or an http(s) URL")
    if "\0" in text:
        return _refusal("the image's path holds a NUL character", "remove it")
    path = normpath(join(base, text))
    if path.startswith("//"):
        path = path[1:]
    if len(path.encode(errors="replace")) > MAX_PATH_BYTES:
        return _refusal(f"the image's path is longer than {MAX_PATH_BYTES:,} bytes", "shorten it")
    if path == "/" or text.endswith("/"):
        return _refusal("the image's path names a folder", "name a file")
    if "\\" in text and not text.startswith("/") and not os.path.lexists(path):
        return _backslashes(text)
    return FileSource(path), mirror_of(path, base)


def _object_source(text: str, base: str) -> tuple[Source, str] | Fault:
    try:
        url = parse_store_url(text)
    except ValueError as error:
        return _refusal(str(error), "write s3://bucket/key as the store lists it")
    if not url.key or text.endswith("/"):
        return _refusal("the image's URL names a bucket or a folder", "name an object in it")
    return ObjectSource(str(url)), mirror_of(str(url), base)


def _beside(text: str, base: str) -> tuple[Source, str] | Fault:
    """A path relative to a manifest that lies in a store."""
    if not text:
        return _refusal("the image is empty", "give a path or a URL")
    scheme, _, rest = base.partition("://")
    bucket, _, folder = rest.partition("/")
    key = normpath(join("/", folder, text))[1:]
    if text.endswith("/"):
        return _refusal("the image's path names a folder", "name an object in it")
    return _object_source(f"{scheme}://{bucket}/{key}", base)


def _backslashes(text: str) -> Fault:
    """Why a path written for Windows is not taken; a file that is really named so is."""
    if _has_drive(text):
        return _refusal(
            "the path holds backslashes, and a drive",
            "write the path as it is on this machine, with / between folders",
        )
    return _refusal("the path holds backslashes", "write / between folders")


def _url_source(text: str) -> tuple[Source, str] | Fault:
    if len(text) > MAX_URL_CHARACTERS:
        return _refusal(
            f"the URL is longer than {MAX_URL_CHARACTERS:,} characters",
            "download the picture and name the file",
        )
    if not _is_plain_url(text) and (fault := _url_fault(text)):
        return fault
    return UrlSource(text), mirror_of_url(text)


def _url_fault(text: str) -> Fault | None:
    """Why a URL is none that may be handed to the service."""
    if _BLANK_OR_CONTROL.search(text):
        return _refusal("the URL holds a blank or a control character", "write it as %20")
    if "\\" in text:
        return _refusal("the URL holds a backslash", "write it as %5C, or / if that is meant")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return _refusal("this is no URL", "write https://host/path")
    if "@" in parts.netloc:
        return _refusal(
            "the URL holds a user or a password, which the service would see",
            "give a signed URL, or download the picture and name the file",
        )
    if not host:
        return _refusal("the URL names no host", "write https://host/path")
    return None
