"""Which addresses a provider may have: the table, and the ways to hide one."""

from __future__ import annotations

import pytest

from waypost.providers.addresses import Spot, forbidden, literal, plain_name

FORBIDDEN = {
    "0.0.0.0": "this network",
    "0.1.2.3": "this network",
    "10.0.0.0": "private",
    "10.255.255.255": "private",
    "100.64.0.0": "carrier-grade NAT",
    "100.127.255.255": "carrier-grade NAT",
    "127.0.0.1": "loopback",
    "127.255.255.255": "loopback",
    "169.254.0.1": "link-local",
    "169.254.169.254": "link-local",
    "172.16.0.0": "private",
    "172.31.255.255": "private",
    "192.0.0.8": "protocol assignments",
    "192.0.0.170": "protocol assignments",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4 relay",
    "192.168.0.1": "private",
    "192.168.255.255": "private",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "198.51.100.7": "documentation",
    "203.0.113.9": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::2": "IPv4-compatible",
    "::127.0.0.1": "IPv4-compatible",
    "::ffff:127.0.0.1": "IPv4-mapped",
    "::ffff:8.8.8.8": "IPv4-mapped",
    "::ffff:0:10.0.0.1": "IPv4-translated",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b::8.8.8.8": "NAT64",
    "64:ff9b::a9fe:a9fe": "NAT64",
    "64:ff9b:1::1": "local NAT64",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff": "local NAT64",
    "100::1": "discard",
    "2001::1": "Teredo",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "Teredo",
    "2001:2::1": "protocol assignments",
    "2001:10::1": "protocol assignments",
    "2001:20::1": "protocol assignments",
    "2001:1ff:ffff::": "protocol assignments",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2002:808:808::1": "6to4",
    "3fff::1": "documentation",
    "3fff:fff:ffff::": "documentation",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd12:3456::1": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "2606:4700::1%eth0": "link-local",
    "febf::1": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
    "4000::1": "reserved",
    "1fff::1": "reserved",
    "2606:4700::5efe:a00:1": "ISATAP",
    "2606:4700::200:5efe:a00:1": "ISATAP",
    "not an address": "unreadable",
    "": "unreadable",
    "127.1": "unreadable",
}

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
    "3ffe::1",
]


@pytest.mark.parametrize("ip", FORBIDDEN)
def test_an_address_that_is_not_public_is_told_by_its_kind(ip) -> None:
    assert forbidden(ip) == FORBIDDEN[ip]


@pytest.mark.parametrize("ip", PUBLIC)
def test_a_public_address_is_allowed(ip) -> None:
    assert forbidden(ip) is None


@pytest.mark.parametrize(
    ("host", "ip"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("0x7f.0.0.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("::1", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::FFFF:127.0.0.1", "::ffff:7f00:1"),
    ],
)
def test_an_address_is_known_however_it_is_spelled(host, ip) -> None:
    spot = literal(host)
    assert spot is not None
    assert forbidden(spot.ip)
    assert spot.ip in (ip, "::ffff:127.0.0.1")


@pytest.mark.parametrize("host", ["api.test", "localhost", "1.2.3.4.5", "1.2.3.400", "127.0.0.1 x", "", "[::1]", "::g"])
def test_a_name_is_no_address(host) -> None:
    assert literal(host) is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.test", "api.test"),
        ("API.test", "API.test"),
        ("my_container", "my_container"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("localhost.", "localhost."),
        ("", None),
        (".", None),
        ("-x.test", None),
        ("a b", None),
        ("a\nb", None),
        ("a\0b", None),
        ("a/b", None),
        ("a:b", None),
        ("a@b", None),
        ("x" * 64, None),
        ("a." * 140 + "test", None),
    ],
)
def test_only_what_dns_can_have_is_a_name(host, name) -> None:
    assert plain_name(host) == name


def test_a_link_local_address_keeps_its_interface() -> None:
    assert Spot("fe80::1", 3).host == "fe80::1%3"
    assert Spot("fe80::1").host == "fe80::1"
