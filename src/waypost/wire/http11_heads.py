"""What does this head ask for, and may it be understood in only one way?

llhttp checks every byte (tokens, bare CR or LF, folded lines, NUL); here stands what it leaves to its user. A head
that two servers could read differently is refused, because such heads carry smuggled requests.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Final

import httptools

from waypost.domain.problems import Problem, Refusal
from waypost.wire.http11_messages import CHUNKED, HttpLimits, Request
from waypost.wire.http11_refusals import bad_request, headers_too_large, uri_too_long

METHODS: Final = {name.encode("ascii"): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
KNOWN_ELSEWHERE: Final = frozenset({b"CONNECT", b"TRACE", b"PRI", b"PROPFIND", b"MKCOL", b"COPY", b"MOVE", b"LOCK"})
NEVER_TWICE: Final = (b"authorization", b"content-length", b"host", b"transfer-encoding", b"content-type", b"expect")
VERSIONS: Final = (b"HTTP/1.1", b"HTTP/1.0")
LENGTH_DIGITS_MAX: Final = 18
FRAGMENT: Final = b"#"[0]
SLASH: Final = b"/"[0]
TLS_HANDSHAKE: Final = 0x16

_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#]*)([^#]*)")


class _Fields:
    """What llhttp tells us of a head: its fields."""

    __slots__ = ("on_header",)

    def __init__(self, on_header: Callable[[bytes, bytes], None]) -> None:
        self.on_header = on_header


def read_head(head: bytes, limits: HttpLimits) -> Request:
    """Read one head, from its first byte to its empty line. Raises Problem when it must be refused."""
    if head.startswith(b"\r\n"):
        head = head[2:]  # old clients end a body with one, and RFC 9112 forgives it
    words = head[: head.find(b"\r\n")].split(b" ")
    if len(words) != 3 or not words[1]:
        raise bad_request("The request line is not `METHOD target HTTP/1.1`.", "It has other than three words.")
    method, target, version = words
    if version not in VERSIONS:
        raise _wrong_version(version)
    if method not in METHODS:
        raise _wrong_method(method)
    if len(target) > limits.target_bytes_max:
        raise uri_too_long(limits)
    headers = _fields(head, limits)
    path, query = _path(METHODS[method], target, headers)
    request = Request(METHODS[method], target, path, query, headers)
    request.http10 = version == b"HTTP/1.0"
    _read_framing(request)
    return request


def _wrong_version(version: bytes) -> Problem:
    if not _VERSION.fullmatch(version):
        return bad_request("The request line is not `METHOD target HTTP/1.1`.", "Its last word is no HTTP version.")
    return Refusal(
        "http_version_not_supported",
        "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
        why=f"The request line says {version.decode('ascii')}.",
        fix="Use HTTP/1.1, or put a proxy that speaks the other version in front.",
    )


def _wrong_method(method: bytes) -> Problem:
    if method not in KNOWN_ELSEWHERE:
        return bad_request("The request method is unknown.", "Methods are upper-case words such as GET and POST.")
    return Refusal(
        "method_not_allowed",
        f"{method.decode('ascii')} is not served here.",
        fix="Use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.",
        headers=(("allow", ", ".join(METHODS.values())),),
    )


def _fields(head: bytes, limits: HttpLimits) -> dict[bytes, bytes]:
    """The header fields, names in lower case. The usual head, without a repeated name, never leaves C."""
    count = head.count(b"\n") - 2
    if count > limits.header_fields_max:
        raise headers_too_large(limits)
    fields: dict[bytes, bytes] = {}
    _parse(head, fields.__setitem__)
    headers = {name.lower(): value.strip() for name, value in fields.items()}
    return headers if len(headers) == count else _joined(head)


def _parse(head: bytes, on_header: Callable[[bytes, bytes], None]) -> None:
    """Let llhttp check the head. One parser reads one head: no state of it outlives a request."""
    try:
        httptools.HttpRequestParser(_Fields(on_header)).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # an Upgrade we do not know is a plain request (Java's default client sends h2c with a body)
    except httptools.HttpParserError as error:
        raise bad_request("The request is not HTTP/1.1.", f"{error}.") from None


def _joined(head: bytes) -> dict[bytes, bytes]:
    """The fields of a head that repeats a name."""
    headers: dict[bytes, bytes] = {}

    def take(name: bytes, value: bytes) -> None:
        name = name.lower()
        if name not in headers:
            headers[name] = value.strip()
        else:
            headers[name] += (b"; " if name == b"cookie" else b", ") + value.strip()
            repeated.add(name)

    repeated: set[bytes] = set()
    _parse(head, take)
    for name in NEVER_TWICE:
        if name in repeated:
            raise bad_request(
                f"The header {name.decode('ascii')} came more than once.", "Two readers could each believe another one."
            )
    return headers


def _path(method: str, target: bytes, headers: dict[bytes, bytes]) -> tuple[str, bytes]:
    """Path and query of any form of target; llhttp has seen to it that all of it is visible ASCII."""
    if FRAGMENT in target:
        raise bad_request("The request target has a fragment.", "What follows a `#` is never sent to a server.")
    if target[0] != SLASH:
        target = _unusual_path(method, target, headers)
    path, _, query = target.partition(b"?")
    return path.decode("ascii"), query


def _unusual_path(method: str, target: bytes, headers: dict[bytes, bytes]) -> bytes:
    """A target in absolute form names the same host as Host does; `*` is for OPTIONS alone."""
    if target == b"*" and method == "OPTIONS":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise bad_request("The request target is not a path.", "It starts neither with `/` nor with `http://`.")
    if absolute[1].lower() != headers.get(b"host", b"").lower():
        raise bad_request("The request target and the Host header name different hosts.", "They must agree.")
    path = absolute[2]
    return path if path[:1] == b"/" else b"/" + path


def _read_framing(request: Request) -> None:
    """Where does the message end, does the connection go on, and who is the host?"""
    headers = request.headers
    host = headers.get(b"host")
    if host is None and not request.http10:
        raise bad_request("The Host header is missing.", "HTTP/1.1 demands exactly one.")
    if host is not None and not is_host(host):
        raise bad_request("The Host header is not a host.", "It must be a name or an address, and perhaps a port.")
    connection = headers.get(b"connection")
    if connection is not None or request.http10:
        request.keep_alive = _keeps_alive(connection or b"", http10=request.http10)
    if b"transfer-encoding" in headers:
        _read_transfer_encoding(request)
    elif b"content-length" in headers:
        request.length = _length(headers[b"content-length"])
    if b"expect" in headers and request.length != 0 and not request.http10:
        _read_expect(request)


@functools.lru_cache(maxsize=256)
def is_host(value: bytes) -> bool:
    """A name or an address, and perhaps a port. Clients send few different ones, so that the answers are kept."""
    return _HOST.fullmatch(value) is not None


def _keeps_alive(connection: bytes, *, http10: bool) -> bool:
    if connection == b"keep-alive":
        return True
    options = {option.strip() for option in connection.lower().split(b",")}
    return b"close" not in options and (not http10 or b"keep-alive" in options)


def _read_transfer_encoding(request: Request) -> None:
    if b"content-length" in request.headers:
        raise bad_request("The request has both Content-Length and Transfer-Encoding.", "Only one can be true.")
    if request.http10:
        raise bad_request("HTTP/1.0 has no Transfer-Encoding.", "The message would end at different places.")
    if request.headers[b"transfer-encoding"].lower() != b"chunked":
        raise bad_request("The transfer coding is unknown.", "Only `chunked`, once, is spoken here.")
    request.length = CHUNKED


def _length(value: bytes) -> int:
    if not value.isdigit() or len(value) > LENGTH_DIGITS_MAX:
        raise bad_request("The Content-Length is not a number of bytes.", "It must be decimal digits.")
    return int(value)


def _read_expect(request: Request) -> None:
    if request.headers[b"expect"].lower() != b"100-continue":
        raise Refusal("bad_request", "The Expect header is unknown.", fix="Only 100-continue is met here.", status=417)
    request.expects_continue = True


def unfinished_trouble(part: bytearray, seen: int, limits: HttpLimits) -> Problem | None:
    """Why a head that has not ended need not be waited for; `seen` bytes of it were looked at before."""
    if part[0] == TLS_HANDSHAKE:
        return bad_request("This port speaks plain HTTP, and you opened with TLS.", "Use http:// here.")
    if not part[:1].isupper() and part[0] not in b"\r\n":
        return bad_request("This is not HTTP.", "A request begins with an upper-case method.")
    if part.count(b"\n", seen) != part.count(b"\r\n", max(0, seen - 1)):
        return bad_request("A line ends with a bare LF.", "Lines end with CRLF.")
    if len(part) < limits.header_bytes_max:
        return None
    return headers_too_large(limits) if part.find(b"\r\n", 0, limits.target_bytes_max) >= 0 else uri_too_long(limits)
