"""Whether the gateway can be reached: its name, a connection, TLS. Nothing is sent over it."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing
from typing import TypeAlias
from urllib.parse import urlsplit

import msgspec

SECONDS = 10.0
"""The longest that the look-up, and each try to connect, may take."""

MOST_ADDRESSES = 4
"""So many of a name's addresses are tried."""

_Address: TypeAlias = tuple[int, str]


class Reached(msgspec.Struct, frozen=True):
    """A connection was made. `tls` is the protocol's version, None over plain http."""

    host: str
    address: str
    tls: str | None


class Unreached(msgspec.Struct, frozen=True):
    """No connection was made, and why."""

    host: str
    reason: str


def reach(url: str) -> Reached | Unreached:
    """Look up the host of an http(s) URL, connect to it, and shake hands; then hang up.

    No request is made, so nothing can be paid for. It takes at most 10 s for the look-up, and
    as much for each of at most 4 addresses.
    """
    parts = urlsplit(url)
    host, encrypted = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if encrypted else 80)
    found = look_up(host, port)
    if isinstance(found, str):
        return Unreached(host, found)
    reason = "its name has no address"
    for _, address in found[:MOST_ADDRESSES]:
        try:
            with closing(socket.create_connection((address, port), timeout=SECONDS)) as plain:
                return Reached(host, address, _shake_hands(plain, host) if encrypted else None)
        except ssl.SSLCertVerificationError as error:
            reason = f"its certificate is refused: {error.verify_message}"
        except ssl.SSLError as error:
            reason = f"TLS fails at {address}: {error.reason or error}"
        except OSError as error:
            reason = f"{address} port {port}: {error.strerror or error}"
    return Unreached(host, reason)


def look_up(host: str, port: int) -> list[_Address] | str:
    """Its addresses, or why there are none. The system's look-up knows no time limit of ours."""
    answers: list[list[_Address] | str] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.append([(family, str(place[0])) for family, _, _, _, place in found])
        except (OSError, UnicodeError) as error:
            answers.append(f"its name cannot be looked up: {getattr(error, 'strerror', error)}")

    thread = threading.Thread(target=ask, name="look-up", daemon=True)
    thread.start()
    thread.join(SECONDS)
    return answers[0] if answers else f"its name was not looked up within {SECONDS:g} s"


def _shake_hands(plain: socket.socket, host: str) -> str:
    with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure:
        return secure.version() or "TLS"
