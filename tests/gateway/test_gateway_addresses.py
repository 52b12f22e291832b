from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.gateway.addresses import Reach, literal_of, may_fetch_from, reach_of

SPELLINGS = {
    Reach.LOOPBACK: """127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 017700000001 0177.0.0.1
        0X7F.0x0.0X0.0x1 127.0.0.1. 127.255.255.254 ::1 [::1] ::ffff:127.0.0.1 [::ffff:7f00:1]
        64:ff9b::127.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: 2002:7f00:0001::1 ::127.0.0.1
        ::ffff:0:127.0.0.1 １２７.０.０.１ 127。0。0。1 ①②⑦.0.0.1 0000:0000::0001""",
    Reach.PRIVATE: """10.0.0.1 10.1 167772161 0xa.1 172.16.0.1 172.31.255.255 192.168.1.1
        192.168.257
        0xc0a80101 100.64.0.1 100.127.255.255 fc00::1 fd12:3456::1 fec0::1 ::ffff:10.0.0.1
        64:ff9b::192.168.0.1 2002:c0a8:0101:: fd00::1%eth0 ::10.0.0.1""",
    Reach.FORBIDDEN: """169.254.169.254 169.254.0.1 0xa9fea9fe 2852039166 169.254.43518 fe80::1
        fe80::1%eth0 [fe80::1%25eth0] 0.0.0.0 0 0.1.2.3 :: ::ffff:0.0.0.0 224.0.0.1 239.255.255.250
        ff02::1 240.0.0.1 255.255.255.255 4294967295 192.0.0.8 192.0.2.1 198.18.0.1 198.51.100.1
        203.0.113.1 192.88.99.1 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254
        fd20:ce::254 2001:db8::1 100::1 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe
        2002:a9fe:a9fe:: 64:ff9b:1::1 ::ffff:100.100.100.200""",
    Reach.PUBLIC: """1.1.1.1 8.8.8.8 16843009 0x01010101 1.1 172.15.0.1 172.32.0.1 192.167.1.1
        100.63.0.1 100.128.0.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::
        198.17.0.1 223.255.255.255 8.8.8.8.""",
}
TABLE = [(text, reach) for reach, texts in SPELLINGS.items() for text in texts.split()]


@pytest.mark.parametrize(("text", "reach"), TABLE)
def test_address_is_judged_in_every_spelling(text: str, reach: Reach) -> None:
    literal = literal_of(text)
    assert literal is not None
    assert reach_of(literal) is reach


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "localhost", "pub-1.r2.dev", "1.2.3.4.5", "256.1.1.1", "1.2.3.256", "08.1.1.1"),
        *("4294967296", "0x1ffffffff", "1..2", "-1", "1_0", "a:b", "127.0.0.1x", "0xg", "x" * 300),
    ],
)
def test_address_is_not_seen_in_a_name(name: str) -> None:
    assert literal_of(name) is None


@pytest.mark.parametrize(
    ("text", "reach"),
    [
        ("2001:0:0808:0808:0:0:f7f7:f7f7", Reach.PUBLIC),
        ("2001:0:0808:0808:0:0:80ff:fffe", Reach.LOOPBACK),
        ("2001:0:0a00:0001:0:0:f7f7:f7f7", Reach.PRIVATE),
    ],
)
def test_address_of_a_tunnel_is_judged_by_the_worst_of_both_ends(text: str, reach: Reach) -> None:
    assert reach_of(IPv6Address(text)) is reach


@pytest.mark.parametrize(
    ("home", "allowed"),
    [
        (frozenset(), {Reach.PUBLIC}),
        (frozenset({Reach.PUBLIC}), {Reach.PUBLIC}),
        (frozenset({Reach.LOOPBACK}), {Reach.PUBLIC, Reach.LOOPBACK}),
        (frozenset({Reach.PRIVATE}), {Reach.PUBLIC, Reach.PRIVATE}),
        (frozenset({Reach.FORBIDDEN}), {Reach.PUBLIC}),
        (frozenset(Reach), {Reach.PUBLIC, Reach.PRIVATE, Reach.LOOPBACK}),
    ],
)
def test_address_beside_the_gateway_is_allowed_by_its_own_reach_alone(
    home: frozenset[Reach],
    allowed: set[Reach],
) -> None:
    assert {reach for reach in Reach if may_fetch_from(reach, home=home)} == allowed


@given(st.ip_addresses())
def test_address_means_the_same_however_it_is_written(address: IPv4Address | IPv6Address) -> None:
    reach = reach_of(address)
    assert literal_of(str(address)) == address
    if isinstance(address, IPv4Address):
        number = int(address)
        for text in (str(number), hex(number), f"0{number:o}", f"::ffff:{address}"):
            literal = literal_of(text)
            assert literal is not None
            assert reach_of(literal) is reach
        assert not address.is_private or reach is not Reach.PUBLIC


@given(st.text())
def test_address_of_any_text_is_one_or_none(text: str) -> None:
    literal = literal_of(text)
    assert literal is None or isinstance(literal, IPv4Address | IPv6Address)
