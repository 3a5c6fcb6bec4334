"""Faults that show before the first word: refusals, wrong replies, and connections that end too soon. Pure."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from waypost.practice import dialect
from waypost.practice.script import FOR_EVER, JSON, End, Head, Script, duration, whole

_KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
_GZIP: Final = 31
"""zlib's word for a gzip header around it."""
_HTML: Final = b"<!doctype html><html><body><h1>Please sign in to this network</h1></body></html>"


def status(script: Script, arg: str) -> Script:
    code = _status(arg)
    words = HTTPStatus(code).phrase if code in HTTPStatus._value2member_map_ else "Something went wrong"
    body = dialect.error(f"{words} (a practice fault).", _KINDS.get(code, "server_error"), f"practice_{code}")
    return script.instead(code, body)


def context_too_long(script: Script, arg: str) -> Script:
    message = f"This model's maximum context length is {arg} tokens."
    body = dialect.error(message, "invalid_request_error", "context_length_exceeded", "messages")
    return script.instead(400, body)


def rate_limited(script: Script, arg: str) -> Script:
    """`30` and any other word go out as they are; `date` and `date:90` become an HTTP date; `none` leaves it out."""
    refused = status(script, "429")
    if arg == "none":
        return refused
    if arg.partition(":")[0] == "date":
        then = datetime.fromtimestamp(script.at + whole(arg.partition(":")[2] or "30"), UTC)
        arg = f"{then:%a, %d %b %Y %H:%M:%S GMT}"
    return replace(refused, headers=(*JSON, ("retry-after", arg)))


def error_in_200(script: Script, arg: str) -> Script:
    return replace(status(script, arg), status=200)


def wrong_content_type(script: Script, arg: str) -> Script:
    return script.instead(200, _HTML, ("content-type", arg))


def redirect(script: Script, arg: str) -> Script:
    return script.instead(_status(arg), b"", ("location", "/practice/redirected"))


def empty(script: Script, arg: str) -> Script:
    code = _status(arg)
    return script.instead(code, b"", *(script.headers if code == 200 else JSON))


def header_bomb(script: Script, arg: str) -> Script:
    """One header of that many bytes; `fields:N` for as many small ones."""
    kind, _, number = arg.rpartition(":")
    if kind == "fields":
        more = tuple((f"x-bomb-{field}", "boom") for field in range(whole(number)))
    else:
        more = (("x-bomb", "b" * whole(number)),)
    return replace(script, headers=(*script.headers, *more))


def compressed(script: Script, arg: str) -> Script:
    """Really compressed, each frame flushed, though nobody asked for it."""
    packer = zlib.compressobj(wbits=_GZIP)
    frames = [packer.compress(frame) + packer.flush(zlib.Z_SYNC_FLUSH) for frame in script.frames]
    frames[-1] += packer.flush()
    return replace(script, frames=tuple(frames), headers=(*script.headers, ("content-encoding", arg)))


def slow_first_word(script: Script, arg: str) -> Script:
    return replace(script, first_seconds=duration(arg))


def head_at_once(script: Script, _arg: str) -> Script:
    return replace(script, head=Head.AT_ONCE)


def silent(script: Script, _arg: str) -> Script:
    return replace(script, waits={**script.waits, 0: FOR_EVER})


def head_then_silent(script: Script, arg: str) -> Script:
    return silent(replace(script, head=Head.AT_ONCE), arg)


def close_before(script: Script, _arg: str) -> Script:
    return replace(script, head=Head.NEVER, frames=(), end=End.CLOSE)


def reset_before(script: Script, _arg: str) -> Script:
    return replace(script, head=Head.NEVER, frames=(), end=End.RESET)


def close_after_head(script: Script, _arg: str) -> Script:
    return replace(script, head=Head.AT_ONCE, frames=(), end=End.CLOSE)


def reset_after_head(script: Script, _arg: str) -> Script:
    return replace(script, head=Head.AT_ONCE, frames=(), end=End.RESET)


def reset_reused(script: Script, arg: str) -> Script:
    return reset_before(script, arg) if script.reused else script


def _status(arg: str) -> int:
    code = whole(arg)
    if not 200 <= code <= 599:
        raise ValueError(arg)
    return code
