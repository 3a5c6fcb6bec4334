"""A head that repeats the last one is read as if it were the first: the same request, or the long way."""

from __future__ import annotations

import gc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from waypost.wire.http11_familiar import HEAD_BYTES_MAX, familiar
from waypost.wire.http11_heads import read_head
from waypost.wire.http11_messages import HttpLimits

LIMITS = HttpLimits()
HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: x:1\r\nUser-Agent: OpenAI/Python 2.1\r\n"
    b"Authorization: Bearer wp_one\r\nX-Stainless-OS: Linux\r\nContent-Length: 2\r\nAccept: */*\r\n\r\n"
)
LENGTH_FIRST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nauthorization: Bearer wp_one\r\n\r\n"
)
FACTS = ("method", "target", "path", "query", "headers", "peer", "secure", "length", "keep_alive", "http10",
         "expects_continue")  # fmt: skip


def met(head, limits=LIMITS):
    request = read_head(head, limits)
    request.peer, request.secure = "127.0.0.1:5", True
    return familiar(head, request, limits)


def check_same(known, data):
    """What is recognised is what the long way reads, and the whole of it."""
    request = known.read(data)
    if request is None:
        return False
    end = data.index(b"\r\n\r\n") + 4
    plainly = read_head(data[:end], LIMITS)
    plainly.peer, plainly.secure = "127.0.0.1:5", True
    assert [getattr(request, fact) for fact in FACTS] == [getattr(plainly, fact) for fact in FACTS]
    assert list(request.headers) == list(plainly.headers)
    assert request.body == data[end:]
    assert request.length == len(request.body)
    return True


@pytest.mark.parametrize("head", [HEAD, LENGTH_FIRST, HEAD.replace(b"Authorization", b"AUTHORIZATION")])
def test_another_token_and_another_length_are_read_from_the_head_that_brings_them(head):
    known = met(head)
    assert check_same(known, head + b"{}")
    assert check_same(known, head.replace(b"wp_one", b"wp_other").replace(b": 2\r", b": 13\r") + b"x" * 13)
    assert check_same(known, head.replace(b"wp_one", b"wp_one  ") + b"{}")


@given(st.data(), st.sampled_from([HEAD, LENGTH_FIRST]))
def test_any_change_to_a_head_is_read_as_the_long_way_reads_it(data, head):
    whole = head + b"{}"
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 30)))
    pieces = st.sampled_from(
        [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b"\xff", b"\x7f", b":", b"0", b"2", b"+2", b",", b"\x85"]
    )
    between = data.draw(st.one_of(st.binary(max_size=6), st.lists(pieces, max_size=5).map(b"".join)))
    check_same(met(head), whole[:start] + between + whole[end:])


@given(st.binary(max_size=12), st.binary(max_size=6))
@example(b"", b"2")
@example(b" ", b"2")
@example(b"a\r\nTransfer-Encoding: chunked", b"2")
@example(b"a\nContent-Length: 3", b"2")
@example(b"a", b"02")
@example(b"a", b" 2")
@example(b"a", b"2\r\nContent-Length: 3")
def test_any_credential_and_any_length_are_read_as_the_long_way_reads_them(credential, length):
    for head in (HEAD, LENGTH_FIRST):
        check_same(
            met(head), head.replace(b"Bearer wp_one", credential).replace(b": 2\r", b": " + length + b"\r") + b"{}"
        )


@pytest.mark.parametrize(
    "data",
    [
        HEAD,
        HEAD + b"{",
        HEAD + b"{}POST",
        HEAD[:-3],
        HEAD.replace(b": 2\r", b": 3\r") + b"{}",
        HEAD.replace(b": 2\r", b": 02\r") + b"{}",
        HEAD.replace(b"wp_one", b"wp_\x00ne") + b"{}",
        HEAD.replace(b"wp_one", b"wp_\nne") + b"{}",
        HEAD.replace(b"Bearer wp_one", b"") + b"{}",
        HEAD.replace(b"Bearer wp_one", b"  ") + b"{}",
        HEAD.replace(b"wp_one", b"w" * HEAD_BYTES_MAX) + b"{}",
        HEAD.replace(b"Accept: */*", b"Accept: */*\r\nExpect: 100-continue") + b"{}",
        HEAD.replace(b"Linux", b"Linus") + b"{}",
        b"",
    ],
)
def test_what_is_not_whole_or_not_the_same_goes_the_long_way(data):
    assert met(HEAD).read(data) is None


@pytest.mark.parametrize(
    "head",
    [
        HEAD.replace(b"X-Stainless-OS", b"X-Api-Key"),
        HEAD.replace(b"X-Stainless-OS", b"Cookie"),
        HEAD.replace(b"completions", b"completions?key=secret"),
        HEAD.replace(b"X-Stainless-OS: Linux", b"Connection: close"),
        HEAD.replace(b"X-Stainless-OS: Linux", b"Expect: 100-continue"),
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"X-Stainless-OS: Linux", b"Connection: keep-alive"),
        HEAD.replace(b"Linux", b"L" * HEAD_BYTES_MAX),
        HEAD.replace(b"Authorization: Bearer wp_one\r\n", b""),
        HEAD.replace(b"Content-Length: 2\r\n", b""),
        HEAD.replace(b"Content-Length: ", b"Content-Length:"),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_a_head_that_may_hold_a_secret_or_is_no_conversations_is_not_kept(head):
    assert met(head) is None


def test_neither_the_token_nor_the_request_is_kept():
    def held(thing, seen):
        if id(thing) not in seen:
            seen[id(thing)] = thing
            for each in gc.get_referents(thing):
                if not isinstance(each, type):
                    held(each, seen)
        return seen

    for head in (HEAD, LENGTH_FIRST):
        kept = held(met(head), {}).values()
        assert any(isinstance(each, bytes) and b"POST" in each for each in kept), "the search sees what is kept"
        assert not [each for each in kept if isinstance(each, bytes) and b"wp_one" in each]


def test_no_two_requests_share_what_can_change():
    known = met(HEAD)
    one, other = known.read(HEAD + b"{}"), known.read(HEAD + b"{}")
    one.headers[b"host"] = b"evil"
    assert other.headers[b"host"] == known.read(HEAD + b"{}").headers[b"host"] == b"x:1"


def test_shorter_limits_hold_for_repeated_heads_too():
    limits = LIMITS._replace(header_bytes_max=len(HEAD))
    assert met(HEAD, limits).read(HEAD + b"{}") is not None
    assert met(HEAD, limits).read(HEAD.replace(b"wp_one", b"wp_ones") + b"{}") is None
    assert met(HEAD, LIMITS._replace(header_bytes_max=len(HEAD) - 1)) is None
