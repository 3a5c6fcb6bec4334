"""Bodies, however they are cut, against llhttp as the second opinion."""

from __future__ import annotations

from itertools import pairwise

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.domain.problems import Problem
from waypost.wire.http11_bodies import CHUNKS_FREE, ChunkedBody, SizedBody
from waypost.wire.http11_messages import HttpLimits

LIMITS = HttpLimits()
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(body, pieces):
    """What the receiver makes of pieces: the body and what follows it, or None while more is needed."""
    for number, piece in enumerate(pieces):
        rest = body.feed(piece)
        if rest is not None:
            return body.whole(), rest + b"".join(pieces[number + 1 :])
    return None


def cut(message, places):
    edges = sorted({0, len(message), *(place % (len(message) + 1) for place in places)})
    return [message[start:end] for start, end in pairwise(edges)]


CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
EXTENSIONS = st.sampled_from([b"", b";a", b";a=b", b';a="b c"', b";\t"])
TRAILERS = st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC:\r\n"])
PLACES = st.lists(st.integers(0, 10_000), max_size=8)


@given(CHUNKS, EXTENSIONS, TRAILERS, st.binary(max_size=20), PLACES)
def test_a_chunked_body_is_the_same_however_it_is_cut(chunks, extension, trailers, rest, places):
    message = b"".join(b"%X%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    message += b"0%b\r\n%b\r\n" % (extension, trailers)
    assert read(ChunkedBody(LIMITS, 10_000), cut(message + rest, places)) == (b"".join(chunks), rest)


@given(st.binary(max_size=60), st.binary(max_size=20), PLACES)
def test_a_sized_body_is_the_same_however_it_is_cut(content, rest, places):
    pieces = cut(content + rest, places) or [b""]
    assert read(SizedBody(len(content)), pieces) == (content, rest)


class _Opinion:
    def __init__(self):
        self.body = b""
        self.complete = False

    def on_body(self, data):
        if not self.complete:
            self.body += data

    def on_message_complete(self):
        self.complete = True


ODD = st.lists(
    st.sampled_from(
        [
            b"0",
            b"5",
            b"a",
            b"00",
            b"05",
            b"\r\n",
            b"\r",
            b"\n",
            b"hello",
            b";",
            b";a=b",
            b"A: b",
            b" ",
            b"\t",
            b"+",
            b"x",
        ]
    ),
    max_size=9,
).map(b"".join)


@given(ODD)
def test_what_we_take_llhttp_takes_with_the_same_body(message):
    """We may be stricter than llhttp, never looser, and never read another body."""
    for whole in (message, b"5\r\nhello\r\n" + message, b"5\r\nhello\r\n0\r\n" + message):
        try:
            ours = read(ChunkedBody(LIMITS, 10_000), [whole])
        except Problem:
            continue
        if ours is None:
            continue
        opinion = _Opinion()
        parser = httptools.HttpRequestParser(opinion)
        parser.feed_data(HEAD + whole[: len(whole) - len(ours[1])])
        assert opinion.complete
        assert opinion.body == ours[0]


@given(st.binary(max_size=80), PLACES)
def test_garbage_is_refused_or_waited_for_and_never_a_bug(garbage, places):
    whole, parts = [], []
    for seen, pieces in ((whole, [garbage]), (parts, cut(garbage, places))):
        try:
            seen.append(read(ChunkedBody(LIMITS, 10_000), pieces))
        except Problem as problem:
            seen.append(problem.code)
    assert whole == parts


def refused(limits, messages, most=10_000_000):
    body = ChunkedBody(limits, most)

    def take():
        assert [body.feed(message) for message in messages] == []

    with pytest.raises(Problem) as caught:
        take()
    return caught.value.code


def test_extensions_are_counted():
    limits = HttpLimits(header_bytes_max=1000)
    assert refused(limits, [b"1;" + b"a" * 990 + b"\r\nx\r\n"] * 2) == "headers_too_large"
    assert refused(limits, [b"1;" + b"a" * 90 + b"\r\nx\r\n"] * 20) == "headers_too_large"
    assert refused(limits, [b"1;" + b"a" * 2000]) == "headers_too_large"
    assert refused(limits, [b"1;", *([b"a" * 10] * 200)]) == "headers_too_large"


def test_trailers_are_counted():
    limits = HttpLimits(header_bytes_max=1000, header_fields_max=10)
    assert refused(limits, [b"0\r\n", b"A: " + b"b" * 2000]) == "headers_too_large"
    assert (
        refused(limits, [b"0\r\n", b"A: " + b"b" * 600 + b"\r\n", b"A: " + b"b" * 600 + b"\r\n"]) == "headers_too_large"
    )
    assert refused(limits, [b"0\r\n", b"A: b\r\n" * 11]) == "headers_too_large"


def test_the_body_is_counted_before_it_comes():
    assert refused(LIMITS, [b"64\r\n"], 99) == "body_too_large"
    assert refused(LIMITS, [b"32\r\n" + b"x" * 50 + b"\r\n"] * 2, 99) == "body_too_large"


def test_an_honest_upload_in_small_chunks_passes_and_tiny_ones_without_end_do_not():
    body = ChunkedBody(LIMITS, 100_000_000)
    for _ in range(CHUNKS_FREE * 2):
        assert body.feed(b"80\r\n" + b"x" * 128 + b"\r\n") is None
    assert body.feed(b"0\r\n\r\n") == b""
    assert len(body.whole()) == CHUNKS_FREE * 256
    assert refused(LIMITS, [b"1\r\nx\r\n" * 1000] * 20) == "bad_request"
