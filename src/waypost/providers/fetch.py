"""One small JSON document from a provider: its list of models, its version. Not for chat calls."""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from waypost import __version__
from waypost.domain.endpoints import Provider
from waypost.domain.problems import Failed
from waypost.providers.addresses import Address, authority
from waypost.providers.openai import DEFAULT_PORTS, address_of
from waypost.providers.upstream import Exchange, Trouble, Upstream

BYTES_MAX: Final = 32 * 1024 * 1024
SECONDS_MAX: Final = 60.0
CONNECT_SECONDS_MAX: Final = 5.0
SHOWN_URL_CHARACTERS_MAX: Final = 120


class Document(NamedTuple):
    """An answer with status 200 whose body is JSON."""

    value: Any
    headers: dict[bytes, bytes]


class FetchLimits(NamedTuple):
    """What one document may take."""

    bytes_max: int = BYTES_MAX
    seconds_max: float = SECONDS_MAX
    connect_seconds_max: float = CONNECT_SECONDS_MAX


async def fetch_json(upstream: Upstream, provider: Provider, path: str, limits: FetchLimits | None = None) -> Any:
    """The document at `path` after the provider's base URL, with its key.

    Raises Failed, which says where it was looked for, what came instead and what to do.
    """
    address = address_of(provider.base_url, allow_private=provider.allow_private)
    headers = provider.headers
    if provider.key is not None:
        headers = (*headers, ("authorization", f"Bearer {provider.key}"))
    target = urlsplit(provider.base_url).path + path
    return (await fetch(upstream, address, target, headers, limits)).value


async def fetch(
    upstream: Upstream,
    address: Address,
    target: str,
    headers: tuple[tuple[str, str], ...] = (),
    limits: FetchLimits | None = None,
) -> Document:
    """The JSON document at an address. Raises Failed."""
    limits = limits or FetchLimits()
    where = f"{address.scheme}://{_host(address)}{target}"
    reading = _Reading(limits.bytes_max)
    exchange = upstream.send(address, _head(address, target, headers), b"", reading, limits.connect_seconds_max)
    reading.exchange = exchange
    try:
        async with asyncio.timeout(limits.seconds_max):
            await reading.done
    except TimeoutError:
        raise _failed(where, f"there was no whole answer within {limits.seconds_max:g} s", "provider_timeout") from None
    finally:
        exchange.cancel()
    if reading.trouble is not None:
        raise _failed(where, reading.trouble.why, trouble=reading.trouble.code)
    _check_status(where, reading)
    return Document(_decoded(where, reading), reading.headers)


class _Reading:
    """Collects one answer."""

    def __init__(self, bytes_max: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.trouble: Trouble | None = None
        self.exchange: Exchange | None = None
        self._bytes_max = bytes_max

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.status = status
        self.headers = headers

    def data(self, data: bytes) -> None:
        self.body += data
        if len(self.body) > self._bytes_max:
            self.lost(Trouble("too_large", f"the answer is larger than {self._bytes_max:,} bytes"))
            if self.exchange is not None:
                self.exchange.cancel()

    def eof(self) -> None:
        self._end()

    def lost(self, trouble: Trouble) -> None:
        self.trouble = trouble
        self._end()

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _head(address: Address, target: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [
        f"GET {target} HTTP/1.1",
        f"host: {_host(address)}",
        f"user-agent: waypost/{__version__}",
        "accept: application/json",
        "accept-encoding: identity",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _host(address: Address) -> str:
    """The port is named where it is not the scheme's own."""
    default = address.port == DEFAULT_PORTS[address.scheme]
    return authority(address.host, address.port).removesuffix(f":{address.port}") if default else address.shown


def _check_status(where: str, reading: _Reading) -> None:
    status = reading.status
    if status == 200:
        return
    if 300 <= status < 400:
        to = reading.headers.get(b"location", b"").decode("latin-1")[:SHOWN_URL_CHARACTERS_MAX]
        raise _failed(where, f"it redirects ({status}) to {to!r}, and redirects are never followed", status=status)
    if status in {401, 403}:
        raise _failed(
            where, f"it answered {status}: the key is missing or refused", "provider_refused_key", status=status
        )
    raise _failed(where, f"it answered {status}", status=status)


def _decoded(where: str, reading: _Reading) -> Any:
    coding = reading.headers.get(b"content-encoding", b"identity")
    if coding != b"identity":
        raise _failed(where, f"the answer is compressed ({coding.decode('latin-1')!r}) though we asked for plain bytes")
    try:
        return msgspec.json.decode(bytes(reading.body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        kind = reading.headers.get(b"content-type", b"no content type").decode("latin-1")
        raise _failed(where, f"the answer is no JSON ({kind[:SHOWN_URL_CHARACTERS_MAX]})") from None


def _failed(where: str, why: str, code: str = "provider_failed", **extra: Any) -> Failed:
    fix = "Check base_url and that the server runs." if code != "provider_refused_key" else "Check the provider's key."
    return Failed(code, f"{where} could not be read.", why=why, fix=fix, extra=extra)
