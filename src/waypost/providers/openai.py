"""Anything that speaks OpenAI's chat dialect: how a call is written for it."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from waypost import __version__
from waypost.domain.chat import ChatRequest
from waypost.domain.plans import Candidate
from waypost.providers.addresses import Address
from waypost.wire.dialects import upstream_body

HEADS_MAX = 8_192
"""Own keys of users and organisations make one for each of their endpoints."""
DEFAULT_PORTS = {"http": 80, "https": 443}


class OpenAISpeaker:
    """Writes calls; keeps the part of a request's head that never changes for an endpoint."""

    def __init__(self) -> None:
        self._heads: dict[tuple[int, int, bool], tuple[Candidate, Address, bytes]] = {}
        """By the identity of endpoint and provider; what is kept holds on to both, so that no others can have it."""

    def speak(self, candidate: Candidate, ask: ChatRequest) -> tuple[Address, bytes, bytes]:
        """The address, head and body of one call to one endpoint."""
        endpoint, provider = candidate[:2]
        key = (id(endpoint), id(provider), ask.stream)
        kept = self._heads.get(key)
        if kept is None:
            if len(self._heads) >= HEADS_MAX:
                self._heads.clear()
            kept = self._heads[key] = (candidate, *_head(candidate, stream=ask.stream))
        _, address, head = kept
        cap = ask.output_cap if ask.output_cap is None else _cap(candidate, ask.output_cap)
        body = upstream_body(ask, endpoint.id, provider.drop_fields, provider.schema_shape, cap)
        return address, b"%b%d\r\n\r\n" % (head, len(body)), body

    def forget(self) -> None:
        """Settings or keys changed: old keys must not stay in memory."""
        self._heads.clear()


def _cap(candidate: Candidate, output_cap: int) -> int | None:
    """The cap that credits set, within what this endpoint can write; none where it is not paid with credits."""
    endpoint = candidate.endpoint
    if endpoint.price is None or candidate.own_key is not None:
        return None
    return min(output_cap, endpoint.output_tokens_max or output_cap)


def address_of(base_url: str, *, allow_private: bool) -> Address:
    """Where a base URL points."""
    url = urlsplit(base_url)
    return Address(url.scheme, url.hostname or "", url.port or DEFAULT_PORTS[url.scheme], allow_private)


def _head(candidate: Candidate, *, stream: bool) -> tuple[Address, bytes]:
    endpoint, provider = candidate.endpoint, candidate.provider
    url = urlsplit(provider.base_url)
    address = address_of(provider.base_url, allow_private=provider.allow_private)
    path = url.path.rstrip("/") + provider.chat_path.replace("{id}", quote(endpoint.id, safe="/"))
    default = address.port == DEFAULT_PORTS[address.scheme]
    shown_host = f"[{address.host}]" if ":" in address.host else address.host
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {shown_host}" if default else f"host: {shown_host}:{address.port}",
        f"user-agent: waypost/{__version__}",
        "content-type: application/json",
        f"accept: {'text/event-stream' if stream else 'application/json'}",
        "accept-encoding: identity",
        *(f"{name}: {value}" for name, value in provider.headers),
    ]
    if provider.key is not None:
        lines.append(f"authorization: Bearer {provider.key}")
    return address, "\r\n".join([*lines, "content-length: "]).encode("latin-1")
