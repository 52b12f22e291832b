"""Whether the gateway can be reached through a proxy: a tunnel and TLS in it, and no request."""

from __future__ import annotations

import http.client
import re
import ssl
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from qwenbatch.gateway.proxies import PASSWORD_HEADER
from qwenbatch.gateway.reach import SECONDS, Reached, Unreached, look_up, reach
from qwenbatch.gateway.reasons import REFUSED_BY_PROXY

if TYPE_CHECKING:
    from qwenbatch.gateway.proxies import Proxy

_refused = re.compile(r"Tunnel connection failed: ([0-9]{3})\b").match


def reach_through(proxy: Proxy, url: str) -> Reached | Unreached:
    """Ask the proxy for a tunnel to the host of an https URL, and shake hands in it; then hang up.

    For a plain http URL, and a proxy that is itself spoken to in https, only the proxy is
    connected to. `Reached.address` is then the proxy's, and `tls` None. It takes at most 10 s for
    each answer.
    """
    parts = urlsplit(url)
    if parts.scheme == "http" or proxy.url.scheme == "https":
        reached = reach(str(proxy))
        if isinstance(reached, Unreached):
            return Unreached(parts.hostname or "", f"the proxy {proxy}: {reached.reason}")
        return Reached(parts.hostname or "", reached.address, None)
    return _tunnel(proxy, parts.hostname or "", parts.port or 443)


def _tunnel(proxy: Proxy, host: str, port: int) -> Reached | Unreached:
    proxy_host, proxy_port = proxy.url.host or "", proxy.url.port or 80
    found = look_up(proxy_host, proxy_port)
    if isinstance(found, str):
        return Unreached(host, f"the proxy {proxy}: {found}")
    connection = http.client.HTTPSConnection(proxy_host, proxy_port, timeout=SECONDS)
    password = proxy.authorization
    connection.set_tunnel(host, port, {} if password is None else {PASSWORD_HEADER: password})
    with closing(connection):
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            return Unreached(host, f"its certificate is refused: {error.verify_message}")
        except ssl.SSLError as error:
            return Unreached(host, f"TLS fails through {proxy}: {error.reason or error}")
        except (OSError, http.client.HTTPException) as error:
            return Unreached(host, f"{proxy}: {_reason(error)}")
        secure = connection.sock
        tls = secure.version() if isinstance(secure, ssl.SSLSocket) else None
        return Reached(host, f"{proxy}", tls or "TLS")


def _reason(error: Exception) -> str:
    """What went wrong, without a word that the proxy chose."""
    refused = _refused(str(error))
    if refused is not None:
        return REFUSED_BY_PROXY.format(refused[1])
    if isinstance(error, OSError):
        return error.strerror or "no answer in time"
    return "what it answers is not HTTP"
