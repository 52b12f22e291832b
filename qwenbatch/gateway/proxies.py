"""Which proxy a request goes through, and what that proxy is shown.

A proxy's own password is shown to the proxy alone. Over https it stands in the CONNECT, which
nobody behind the proxy sees. Over plain http it could only stand in the request itself, which a
careless proxy passes on: so it is shown so for edits, whose gateway was chosen by the user, and
never for results, whose hosts were not.
"""

from __future__ import annotations

import base64
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yarl import URL

from qwenbatch.errors import UsageError
from qwenbatch.gateway.addresses import Reach, literal_of, reach_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DEMANDS_PASSWORD = 407
"""The status that only a proxy answers: it passed nothing on."""

PASSWORD_HEADER = "Proxy-Authorization"  # noqa: S105 - a header's name

_SCHEMES = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `url` is without name and password, which `authorization` holds, encoded."""

    url: URL
    authorization: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Its scheme, host and port."""
        return str(self.url.origin())


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies for http and https URLs; `exempt` is a list of hosts as NO_PROXY has it.

    This machine itself is never asked for through a proxy, for it would be another machine there.
    """

    http: Proxy | None = None
    https: Proxy | None = None
    exempt: str = ""

    def way_to(self, url: URL) -> Proxy | None:
        """The proxy for a URL; None if it is asked for directly."""
        proxy = self.https if url.scheme == "https" else self.http
        if proxy is None or _is_this_machine(url.host or "") or self._exempts(url):
            return None
        return proxy

    def used(self) -> tuple[Proxy, ...]:
        """The proxies that some URL may go through, each once."""
        if self.exempt.strip() == "*":
            return ()
        return tuple(dict.fromkeys(each for each in (self.https, self.http) if each is not None))

    def _exempts(self, url: URL) -> bool:
        listed = {"no": self.exempt.strip()}
        exempts = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined] # no stub
        return any(exempts(name, listed) for name in _names(url))


def parse_proxy(text: str, *, variable: str) -> Proxy:
    """The proxy that an environment variable names; without a scheme it is spoken to in http.

    Raises UsageError, which names the variable and never its value: that may hold a password.
    """
    scheme, separator, _ = text.partition("://")
    if separator and scheme.lower() not in _SCHEMES:
        shown = f" of the kind {scheme}" if scheme.isalnum() else ""
        raise UsageError(
            f"{variable} names a proxy{shown} that is not known here",
            "name an http proxy, such as http://proxy:3128, or unset it",
        )
    url = _url(text if separator else f"http://{text}")
    if url is None or not text.isprintable() or " " in text:
        raise UsageError(
            f"{variable} is no proxy's address",
            "write it as http://proxy:3128, with http://NAME:PASSWORD@proxy:3128 where it wants"
            " one (signs such as @ in them as %40), or unset it",
        )
    return Proxy(url.origin(), _basic(url))


def _url(text: str) -> URL | None:
    """A URL with a host and a port, which some schemes have by themselves."""
    try:
        url = URL(text)
        known = bool(url.host and url.port)
    except ValueError:
        return None
    return url if known else None


def _basic(url: URL) -> str | None:
    if url.user is None and url.password is None:
        return None
    pair = f"{url.user or ''}:{url.password or ''}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _is_this_machine(host: str) -> bool:
    literal = literal_of(host)
    if literal is not None:
        return reach_of(literal) is Reach.LOOPBACK
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def _names(url: URL) -> Iterator[str]:
    """A URL's host in the ways in which a list may name it."""
    host = url.host or ""
    yield host
    bracketed = f"[{host}]" if ":" in host else host
    yield bracketed
    yield f"{bracketed}:{url.port}"
