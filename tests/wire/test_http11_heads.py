"""Heads of any bytes: refused with a reason, or read as llhttp reads them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from waypost.domain.problems import Problem
from waypost.wire.http11_heads import read_head, unfinished_trouble
from waypost.wire.http11_messages import HttpLimits

LIMITS = HttpLimits()

PIECES = [
    b"GET ", b"POST ", b"/", b"/a?b", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\r", b"\n", b"Host: x", b"host:y",
    b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Connection: close", b": ", b" ", b"\t", b"\x00", b"\xff",
    b"Expect: 100-continue", b"Upgrade: h2c", b"Connection: Upgrade", b"*", b"http://x/", b",",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join))
@example(b"GET / HTTP/1.1\r\nHost: x")
@example(b"")
def test_any_head_is_read_or_refused_and_never_a_bug(text):
    for head in (text + b"\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\n" + text + b"\r\n\r\n"):
        try:
            request = read_head(head[: head.index(b"\r\n\r\n") + 4], LIMITS)
        except Problem:
            continue
        assert request.path[0] in "/*"
        assert request.path.isascii()
        assert request.http10 or request.headers[b"host"] in {b"x", b"y"}
        for name, value in request.headers.items():
            assert name == name.lower()
            assert name
            assert value == value.strip()
            assert not {0, 10, 13} & {*name, *value}
        assert not {b"content-length", b"transfer-encoding"} <= set(request.headers)


@given(st.binary(max_size=60))
def test_any_bytes_behind_a_good_line_are_read_or_refused_and_never_a_bug(garbage):
    head = b"GET / HTTP/1.1\r\nHost: x\r\nA: " + garbage.replace(b"\r\n\r\n", b"") + b"\r\n\r\n"
    try:
        request = read_head(head[: head.index(b"\r\n\r\n") + 4], LIMITS)
    except Problem:
        return
    assert request.headers[b"host"] == b"x"
    assert request.length in {0, -1} or b"content-length" in request.headers


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r", None),
        (b"G", None),
        (b"\r", None),
        (b"\r\nG", None),
        (b"\n", "bad_request"),
        (b"GET / HTTP/1.1\n", "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: x\n\r", "bad_request"),
        (b"\x16\x03\x01", "bad_request"),
        (b"\x00", "bad_request"),
        (b"{", "bad_request"),
        (b"GET /" + b"a" * 32768, "uri_too_long"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 32768, "headers_too_large"),
    ],
)
def test_an_unfinished_head_is_waited_for_only_while_it_can_end_well(part, code):
    for seen in (0, *range(max(0, len(part) - 20), len(part))):
        trouble = unfinished_trouble(bytearray(part), seen, LIMITS)
        if seen == 0 or trouble is not None:
            assert (trouble.code if trouble else None) == code


def test_every_break_of_a_line_is_seen_whichever_bytes_were_seen_before():
    part = b"GET / HTTP/1.1\r\nA: b\r\nC: d\nE"
    lf = part.rindex(b"\n")
    for seen in range(lf + 1):
        assert unfinished_trouble(bytearray(part), seen, LIMITS) is not None
    assert unfinished_trouble(bytearray(part[:lf]), 0, LIMITS) is None
