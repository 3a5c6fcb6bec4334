"""Faults of HTTP itself: wrong lengths, bad chunks, bytes nobody asked for. Pure; frames are raw bytes here."""

from __future__ import annotations

from dataclasses import replace

from waypost.practice.script import End, Head, Script
from waypost.wire.http11 import header_block


def short_body(script: Script, _arg: str) -> Script:
    """A length that promises more than comes before the connection closes."""
    body = b"".join(script.frames)
    return _raw(script, b"%bcontent-length: %d\r\n\r\n%b" % (_head(script), len(body) + 100, body))


def no_length(script: Script, _arg: str) -> Script:
    """HTTP/1.0's way: the body ends where the connection does."""
    return _raw(script, b"%bconnection: close\r\n\r\n%b" % (_head(script), b"".join(script.frames)))


def bad_chunk(script: Script, _arg: str) -> Script:
    frames = [b"%x\r\n%b\r\n" % (len(frame), frame) for frame in script.frames]
    return _raw(script, b"%btransfer-encoding: chunked\r\n\r\n%bnot-a-size\r\n" % (_head(script), b"".join(frames[:2])))


def length_and_chunked(script: Script, _arg: str) -> Script:
    """Both ways of telling a length at once, as request smugglers do."""
    body = b"".join(script.frames)
    head = b"%bcontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n" % _head(script)
    return _raw(script, b"%b%x\r\n%b\r\n0\r\n\r\n" % (head, len(body), body))


def garbage_head(script: Script, _arg: str) -> Script:
    return _raw(script, b"SSH-2.0-OpenSSH_9.9\r\n\r\n")


def more_than_asked(script: Script, _arg: str) -> Script:
    """A second reply behind the first, which nobody asked for; the connection stays open."""
    body = b"".join(script.frames)
    one = b"%bcontent-length: %d\r\n\r\n%b" % (_head(script), len(body), body)
    stray = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"id":"poisoned"}'
    return replace(_raw(script, one + stray), end=End.WELL)


def interim_replies(script: Script, _arg: str) -> Script:
    prelude = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"
    return replace(script, prelude=prelude)


def closes_unsaid(script: Script, _arg: str) -> Script:
    """A good reply with its length told, and then the connection closes although nobody said so."""
    body = b"".join(script.frames)
    return _raw(script, b"%bcontent-length: %d\r\n\r\n%b" % (_head(script), len(body), body))


def _head(script: Script) -> bytes:
    return b"HTTP/1.1 %d Practice\r\n%b" % (script.status, header_block(script.headers))


def _raw(script: Script, message: bytes) -> Script:
    return replace(script, head=Head.NEVER, frames=(message,), end=End.CLOSE, waits={})
