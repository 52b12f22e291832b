"""Which addresses a result may be fetched from: pure decisions on literals.

A gateway that is broken into, or a bucket's redirect, must not make this machine ask its own
network. An address that carries another one in it (mapped, translated, tunnelled) is judged by
the one that it leads to.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address


class Reach(StrEnum):
    """Where an address leads."""

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    """Private, unique local, site-local and shared (carrier or overlay) networks."""
    FORBIDDEN = "forbidden"
    """Link-local, multicast, unspecified, reserved, and the clouds' metadata services."""


_PRIVATE: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
    IPv6Network("fc00::/7"),
    IPv6Network("fec0::/10"),
)
_METADATA: frozenset[Address] = frozenset(
    {
        IPv4Address("169.254.169.254"),
        IPv4Address("100.100.100.200"),
        IPv4Address("168.63.129.16"),
        IPv4Address("192.0.0.192"),
        IPv6Address("fd00:ec2::254"),
        IPv6Address("fd20:ce::254"),
    },
)
"""Of AWS and most others, Alibaba, Azure, Oracle; then AWS and Google by IPv6."""

_FORBIDDEN: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("240.0.0.0/4"),
    IPv6Network("64:ff9b:1::/48"),
)
"""Refused beside what Python itself calls not global; the list there differs by its version."""

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_LOW_32 = 0xFFFF_FFFF
_MAX_PARTS = 4
_MAX_TEXT = 100

KEPT_HOSTS = 256
"""Hosts whose reading is remembered: each is asked about several times, and they are few."""

_is_part = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+", re.ASCII).fullmatch


@lru_cache(maxsize=KEPT_HOSTS)
def literal_of(host: str) -> Address | None:
    """The address that a URL's host spells, in whichever way; None where it is a name.

    Read as the C library reads them: IPv4 in one to four decimal, octal or hexadecimal parts;
    brackets, zone ids, closing dots and letters of other scripts' width do not hide an address.
    """
    text = unicodedata.normalize("NFKC", host[:_MAX_TEXT]).replace("。", ".").strip()
    text = text.removeprefix("[").removesuffix("]").partition("%")[0].rstrip(".")
    if ":" in text:
        try:
            return IPv6Address(text)
        except ValueError:
            return None
    return _ipv4(text)


def reach_of(address: Address) -> Reach:
    """Where an address leads; one with others in it, to the worst of those."""
    inner = _carried(address) if isinstance(address, IPv6Address) else ()
    if inner:
        reaches = {_own_reach(each) for each in inner}
        order = (Reach.FORBIDDEN, Reach.LOOPBACK, Reach.PRIVATE, Reach.PUBLIC)
        return next(reach for reach in order if reach in reaches)
    return _own_reach(address)


def may_fetch_from(reach: Reach, *, home: frozenset[Reach]) -> bool:
    """Whether results may come from there; `home` is where the gateway itself is."""
    match reach:
        case Reach.PUBLIC:
            return True
        case Reach.LOOPBACK | Reach.PRIVATE:
            return reach in home
        case Reach.FORBIDDEN:
            return False


def _ipv4(text: str) -> IPv4Address | None:
    parts = text.split(".")
    if len(parts) > _MAX_PARTS or not all(_is_part(part) for part in parts):
        return None
    numbers = [_number(part) for part in parts]
    *heads, last = numbers
    if any(number is None or number > 0xFF for number in heads):  # noqa: PLR2004 - one byte
        return None
    room = 1 << (8 * (_MAX_PARTS - len(heads)))
    if last is None or last >= room:
        return None
    value = last
    for place, number in enumerate(heads):
        value += (number or 0) << (8 * (_MAX_PARTS - 1 - place))
    return IPv4Address(value)


def _number(part: str) -> int | None:
    try:
        if part[:2].lower() == "0x":
            return int(part[2:] or "0", 16)
        return int(part, 8 if part.startswith("0") and len(part) > 1 else 10)
    except ValueError:
        return None


def _carried(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that this one stands for or goes through."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    low = IPv4Address(int(address) & _LOW_32)
    if address in _NAT64 or address in _TRANSLATED:
        return (low,)
    if address in _COMPATIBLE and int(address) > 1:
        return (low,)
    return ()


def _own_reach(address: Address) -> Reach:
    if address in _METADATA:
        return Reach.FORBIDDEN
    if address.is_loopback:
        return Reach.LOOPBACK
    if _lies_in(address, _PRIVATE):
        return Reach.PRIVATE
    if _lies_in(address, _FORBIDDEN) or address.is_multicast or not address.is_global:
        return Reach.FORBIDDEN
    return Reach.PUBLIC


def _lies_in(address: Address, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)
