"""Which web pages may call us from a browser: none, unless the settings name their origin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from waypost.door.problems import header_text

PREFLIGHT_SECONDS: Final = 600
ALLOWED_HEADERS: Final = "authorization, content-type, x-hf-bill-to, x-hf-session-id, x-request-id"
EXPOSED_HEADERS: Final = (
    "x-request-id, x-error-code, x-error-message, x-inference-provider, x-waypost-payer, x-waypost-attempts, "
    "x-waypost-cost-nano-usd, retry-after, ratelimit, ratelimit-policy, link, etag"
)


class Cors:
    """Header blocks for allowed origins. Credentials in cookies are never allowed: a page must show a token."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        allowed = frozenset(origin.encode() for origin in origins)
        self._any = b"*" in allowed
        self._allowed = allowed

    def block(self, origin: bytes | None) -> bytes:
        """Headers for a reply to a request from `origin`; nothing where it is not allowed."""
        allowed = self._value(origin)
        if not allowed:
            return b""
        expose = EXPOSED_HEADERS.encode()
        return b"access-control-allow-origin: %b\r\naccess-control-expose-headers: %b\r\n%b" % (
            allowed,
            expose,
            b"" if self._any else b"vary: Origin\r\n",
        )

    def preflight(self, headers: dict[bytes, bytes], allow: str) -> bytes:
        """Headers for the browser's question before a call; nothing where the answer is no."""
        block = self.block(headers.get(b"origin"))
        if not block or b"access-control-request-method" not in headers:
            return b""
        asked = headers.get(b"access-control-request-headers", b"").decode("latin-1")
        lines = (
            f"access-control-allow-methods: {allow}\r\n"
            f"access-control-allow-headers: {header_text(asked) or ALLOWED_HEADERS}\r\n"
            f"access-control-max-age: {PREFLIGHT_SECONDS}\r\n"
        )
        return block + lines.encode("ascii")

    def _value(self, origin: bytes | None) -> bytes:
        if origin is None or not self._allowed:
            return b""
        if self._any:
            return b"*"
        return origin if origin.lower() in self._allowed else b""
