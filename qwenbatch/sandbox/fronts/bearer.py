"""Keys that are shown as `Authorization: Bearer …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.sandbox.refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_bearer(headers: Mapping[str, str], key: str, *, code: str, message: str) -> None:
    """RefusalError with this code and message unless the header shows the key in that way."""
    if headers.get("Authorization", "") != f"Bearer {key}":
        raise RefusalError(outcome="refused_denied", status=401, message=message, code=code)
