"""The network's failures in plain words: no URL, no header, no key."""

from __future__ import annotations

import os
import ssl

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientError,
    ClientHttpProxyError,
    ClientOSError,
    ClientPayloadError,
    ClientProxyConnectionError,
    ClientResponseError,
    ClientSSLError,
    InvalidURL,
    ServerDisconnectedError,
)
from aiohttp.http_exceptions import HttpProcessingError

NETWORK_ERRORS = (ClientError, HttpProcessingError, OSError, EOFError, ValueError)
"""All that aiohttp raises for what the network does; ValueError stands for odd headers."""

REFUSED_BY_PROXY = "the proxy refused with status {}"

_REASONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (ClientConnectorDNSError, "its name could not be resolved"),
    (ClientConnectorCertificateError, "its TLS certificate was not accepted"),
    ((ClientSSLError, ssl.SSLError), "TLS failed"),
    (ServerDisconnectedError, "the connection was closed without an answer"),
    (ClientPayloadError, "the answer broke off or was garbled"),
    (InvalidURL, "its address is no URL that can be asked for"),
    ((ClientResponseError, HttpProcessingError), "what came is not HTTP"),
)


def reason_of(error: Exception) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, ClientHttpProxyError):
        return REFUSED_BY_PROXY.format(error.status)
    if isinstance(error, ClientProxyConnectionError):
        return "the proxy could not be connected to"
    for kinds, words in _REASONS:
        if isinstance(error, kinds):
            return words
    if isinstance(error, TimeoutError):
        return "time ran out"
    return _system_reason(error)


def _system_reason(error: Exception) -> str:
    inner = error.os_error if hasattr(error, "os_error") else error
    number = getattr(inner, "errno", None)
    if isinstance(inner, (OSError, ClientOSError)) and isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    return f"the network failed ({type(error).__name__})"
