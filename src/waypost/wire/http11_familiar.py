"""A head that says what the connection's last one said need not be understood a second time.

A client repeats itself in every head but for two values: its credential and the length of the body. The bytes around
these are kept, with the fields that were read and checked in them, for as long as the connection lives. Of the two
values nothing is kept; nor is a head that has any field which might hold another secret.
"""

from __future__ import annotations

from typing import Final

from waypost.wire.http11_messages import HttpLimits, Request

HEAD_BYTES_MAX: Final = 2048
CREDENTIAL: Final = b"authorization"
LENGTH: Final = b"content-length"
BREAK: Final = b"\r\n"
CREDENTIAL_LINE: Final = BREAK + CREDENTIAL + b": "
LENGTH_LINE: Final = BREAK + LENGTH + b": "
_STAINLESS: Final = (
    "arch", "async", "helper-method", "lang", "os", "package-version", "read-timeout", "retry-count", "runtime",
    "runtime-version", "timeout",
)  # fmt: skip
NO_SECRETS: Final = frozenset({
    CREDENTIAL, LENGTH, b"host", b"user-agent", b"accept", b"accept-encoding", b"accept-language", b"connection",
    b"content-type", *(b"x-stainless-" + name.encode("ascii") for name in _STAINLESS),
})  # fmt: skip
"""Fields that may be kept, and the two that are not but may be there."""


class Familiar:
    """What a head was like, and the request in it."""

    __slots__ = ("_after", "_before", "_between", "_bytes_max", "_credential_first", "_fields", "_like")

    def __init__(self, pieces: tuple[bytes, bytes, bytes], request: Request, bytes_max: int) -> None:
        self._before, self._between, self._after = pieces
        """The head's bytes around the two values."""
        self._bytes_max = bytes_max
        self._credential_first = LENGTH in self._between.lower()
        self._fields = {**request.headers, CREDENTIAL: b"", LENGTH: b""}
        self._like = Request(request.method, request.target, request.path, b"", {})
        self._like.peer = request.peer
        self._like.secure = request.secure

    def read(self, data: bytes) -> Request | None:
        """The request, if this is the same head again and its body is all there; else somebody must read it.

        The two values are held to more than a reader of heads would: of what is odd the reader decides.
        """
        before, between, after = self._before, self._between, self._after
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(BREAK, start)
        credential = data[start:end]
        start = end + len(between)
        last = data.find(BREAK, start)
        length = data[start:last]
        start = last + len(after)
        if start > self._bytes_max or not data.startswith(between, end) or not data.startswith(after, last):
            return None
        if not self._credential_first:
            credential, length = length, credential
        if length != b"%d" % (len(data) - start) or not credential.decode("latin-1").isprintable():
            return None
        credential = credential.strip()
        if not credential:
            return None
        headers = self._fields.copy()
        headers[CREDENTIAL] = credential
        headers[LENGTH] = length
        like = self._like
        request = Request(like.method, like.target, like.path, b"", headers)
        request.peer = like.peer
        request.secure = like.secure
        request.length = len(data) - start
        request.body = data[start:]
        return request


def familiar(head: bytes, request: Request, limits: HttpLimits) -> Familiar | None:
    """What may be kept of this head, which was read without a fault: None for most but those of conversations."""
    headers = request.headers
    if not NO_SECRETS.issuperset(headers) or CREDENTIAL not in headers or LENGTH not in headers:
        return None
    bytes_max = min(HEAD_BYTES_MAX, limits.header_bytes_max)
    if len(head) > bytes_max or request.query or request.http10 or not request.keep_alive:
        return None
    folded = head.lower()
    credential, length = folded.find(CREDENTIAL_LINE), folded.find(LENGTH_LINE)
    if credential < 0 or length < 0:
        return None
    one, other = sorted((credential + len(CREDENTIAL_LINE), length + len(LENGTH_LINE)))
    pieces = head[:one], head[head.find(BREAK, one) : other], head[head.find(BREAK, other) :]
    return Familiar(pieces, request, bytes_max)
