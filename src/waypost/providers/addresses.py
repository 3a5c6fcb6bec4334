"""Where a provider is, and which network addresses it may turn out to have."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Final, NamedTuple

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Address(NamedTuple):
    """A provider's address, parsed once from its base URL. It is also the key of its connection pool."""

    scheme: str
    """`http` or `https`."""
    host: str
    """Lower-case name or literal address, IPv6 without brackets."""
    port: int
    allow_private: bool
    """The operator named this address, so private ranges are meant."""

    @property
    def shown(self) -> str:
        """`host:port`, as people read it."""
        return authority(self.host, self.port)


class Spot(NamedTuple):
    """One network address of a host."""

    ip: str
    scope: int = 0
    """IPv6 interface number, 0 without one."""

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.ip else socket.AF_INET

    @property
    def host(self) -> str:
        """As a loop's `create_connection` takes it without a look-up."""
        return f"{self.ip}%{self.scope}" if self.scope else self.ip


def authority(host: str, port: int) -> str:
    """`host:port`, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# Sources: IANA IPv4 and IPv6 special-purpose registries; RFC 6052 and 8215 (NAT64), 3056 (6to4), 4380 (Teredo),
# 4291 (mapped, compatible), 5214 (ISATAP), 9637 (3fff::/20). Python's own `is_global` says True for several of them
# and changes between patch releases, so the table is ours.
_FORBIDDEN_4: Final = tuple(
    (ipaddress.IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_FORBIDDEN_6: Final = tuple(
    (ipaddress.IPv6Network(network), kind)
    for network, kind in (
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("::ffff:0:0:0/96", "IPv4-translated"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("100::/64", "discard"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_UNICAST_6: Final = ipaddress.IPv6Network("2000::/3")
_ISATAP: Final = 0x00005EFE
_ISATAP_MASK: Final = 0xFDFFFFFF
_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})", re.ASCII)


def forbidden(ip: str) -> str | None:
    """The kind of non-public range an address lies in, or None for an ordinary public address."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return "unreadable"
    if isinstance(address, ipaddress.IPv4Address):
        return next((kind for network, kind in _FORBIDDEN_4 if address in network), None)
    return _forbidden_6(address)


def _forbidden_6(address: ipaddress.IPv6Address) -> str | None:
    if address.scope_id is not None:
        return "link-local"
    for network, kind in _FORBIDDEN_6:
        if address in network:
            return kind
    if (int(address) >> 32) & _ISATAP_MASK == _ISATAP:
        return "ISATAP"
    return None if address in _UNICAST_6 else "reserved"


def literal(host: str) -> Spot | None:
    """The address that a host spells out, also as `127.1`, `0x7f000001` or `2130706433`; None for a name."""
    try:
        return Spot(str(ipaddress.ip_address(host)))
    except ValueError:
        pass
    try:
        return Spot(socket.inet_ntoa(socket.inet_aton(host))) if _NAME.fullmatch(host) else None
    except OSError:
        return None


def plain_name(host: str) -> str | None:
    """A host name as DNS has it (international ones in their ASCII form), or None where it cannot be one."""
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return name if _NAME.fullmatch(name) else None
