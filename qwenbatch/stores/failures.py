"""A store's failures in our words: what was asked, what it said, what to do."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qwenbatch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_status = re.compile(r"status code: (\d{3})").search
_code = re.compile(r"<Code>([^<]{1,100})</Code>").search
_query = re.compile(r"\?[^\s)\"']+")
_user = re.compile(r"://[^\s/?#\"']*@")
_strange_key = re.compile(r'invalid path: .*?Path ("[^"]{0,1024}")', re.DOTALL).search
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"}
_ELSEWHERE = ("Region", "region", "Redirect")
_METADATA_SERVICES = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
_MOST_REASON = 300

_KEYS = {
    "s3": "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "export GOOGLE_APPLICATION_CREDENTIALS, or say gcloud auth application-default login",
    "az": "export AZURE_STORAGE_ACCOUNT_KEY, or AZURE_CLIENT_ID, _SECRET and AZURE_TENANT_ID",
}
_LATER = "it may be better later: the same command goes on where this one was"


class MissingError(Exception):
    """There is no such object; it never leaves this room."""


class UnlistableError(StoreError):
    """A list holds a key that cannot be reached, and what comes behind it cannot be had."""


class TakenError(Exception):
    """A conditional put found another object than it was to find; likewise."""


@contextmanager
def translated(place: str, doing: str) -> Iterator[None]:
    """Every failure of obstore in here becomes a StoreError, MissingError or TakenError.

    `doing` completes "PLACE cannot be …".
    """
    from obstore import exceptions  # noqa: PLC0415 - an extra

    try:
        yield
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
        raise TakenError from error
    except (exceptions.BaseError, OSError, ValueError, TimeoutError) as error:
        text = str(error)
        if isinstance(error, exceptions.NotFoundError | FileNotFoundError) and not _bucket_lacks(
            text
        ):
            raise MissingError from error
        raise _told(place, doing, text) from error


def _bucket_lacks(text: str) -> bool:
    found = _code(text)
    return found is not None and found[1] in {"NoSuchBucket", "ContainerNotFound"}


def _told(place: str, doing: str, text: str) -> StoreError:  # noqa: PLR0911 - a table
    """What a failure means, by the store's own code, the status, and what the client says."""
    what = f"{place} cannot be {doing}"
    if (strange := _strange_key(text)) is not None:
        return UnlistableError(
            f"{what}: among its objects is {_shown(strange[1])}, a key with an empty segment,"
            " . or .., or a control character",
            "rename that object, or name the others in a manifest",
        )
    code = found[1] if (found := _code(text)) else ""
    status = int(found[1]) if (found := _status(text)) else 0
    if _bucket_lacks(text) or status == 404:  # noqa: PLR2004 - HTTP's number
        return StoreError(f"{what}: there is no such bucket", "check its name, and the endpoint")
    if any(service in text for service in _METADATA_SERVICES):
        return StoreError(f"{what}: no credentials were found", _KEYS[place[:2]])
    if status in {401, 403} or "Unauthenticated" in text:
        return StoreError(
            f"{what}: the store denies it ({code or status or 'no valid credentials'})",
            "check the credentials in the environment, and what they may do",
        )
    if code in _EXPIRED:
        return StoreError(f"{what}: the credentials have expired ({code})", "get fresh ones")
    # What redirects without saying where to is told without its status.
    if status in {0, 301, 307, 400} and any(word in text for word in _ELSEWHERE):
        return StoreError(f"{what}: the bucket lies in another region", "set AWS_REGION to it")
    if status in {429, 503}:
        return StoreError(
            f"{what}: the store asks for less ({code or status}), after retries",
            _LATER,
            passing=True,
        )
    if status >= 500:  # noqa: PLR2004 - HTTP's number
        return StoreError(
            f"{what}: the store failed ({code or status}), after retries", _LATER, passing=True
        )
    if status:
        return StoreError(f"{what}: the store refuses ({code or status})")
    # A query may hold what signs a request, an endpoint a password.
    reason = _query.sub("?…", _user.sub("://…@", text.split("\n", 1)[0]))
    return StoreError(
        f"{what}: {reason[:_MOST_REASON].rstrip()}",
        "check the network and the endpoint",
        passing=True,
    )


def _shown(key: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in key)
