"""The URLs of results, and of redirects, as they are asked for."""

from __future__ import annotations

import re

from yarl import URL

_is_plain = re.compile(r"[!-~]+").fullmatch


def parse_url(text: str) -> URL | None:
    """A URL exactly as it stands, for signed ones; only what no request can carry is quoted.

    Its fragment, and a name and password in it, are left out. None if it is no URL at all.
    """
    try:
        return _whole(URL(text, encoded=_is_plain(text) is not None))
    except (ValueError, TypeError):
        return None


def join_url(base: URL, location: str) -> URL | None:
    """Where a redirect from `base` leads; None if nowhere."""
    target = parse_url(location)
    try:
        return None if target is None else _whole(base.join(target))
    except (ValueError, TypeError):
        return None


def _whole(url: URL) -> URL:
    """Raises ValueError where a part of it is none: they are looked at only when asked for."""
    anonymous = url.with_user(None) if url.raw_user is not None else url
    _ = anonymous.host, anonymous.port
    return anonymous.with_fragment(None)
