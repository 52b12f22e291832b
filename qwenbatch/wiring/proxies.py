"""The proxies that the environment names, by the usual conventions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.request import getproxies_environment

from qwenbatch.gateway.proxies import Proxies, Proxy, parse_proxy

if TYPE_CHECKING:
    from qwenbatch.wiring.settings import RunSettings


def proxies_for(settings: RunSettings) -> Proxies:
    """The proxies of a run: a sandbox of its own is never behind one.

    Raises UsageError if a variable that counts names no proxy that can be used.
    """
    return Proxies() if settings.sandbox else proxies_told()


def proxies_told() -> Proxies:
    """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY where these say nothing, NO_PROXY; small letters win."""
    told = getproxies_environment()
    return Proxies(
        http=_proxy("http", told),
        https=_proxy("https", told),
        exempt=told.get("no", ""),
    )


def _proxy(scheme: str, told: dict[str, str]) -> Proxy | None:
    for name in (scheme, "all"):
        text = told.get(name, "").strip()
        if text:
            return parse_proxy(text, variable=_spelt(f"{name}_proxy"))
    return None


def _spelt(variable: str) -> str:
    """The variable as the environment spells it."""
    return variable if os.environ.get(variable) else variable.upper()
