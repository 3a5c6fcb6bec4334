"""Heads and bodies that two servers could read differently: each is refused, and the site never hears of any of it.

Sources: RFC 9112 sections 2, 3, 5, 6, 7 and 11; the HTTP Garden's trophies; the corpora of PortSwigger's smuggling
research. The requests end with a smuggled `GET /smuggled`, which must never be called either.
"""

from __future__ import annotations

import asyncio

import pytest
from wire_site import PlayedSite, connected, served

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
ZERO = b"0\r\n\r\n" + SMUGGLED


def post(*fields: bytes, body: bytes = ZERO) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def get(*lines: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n" + SMUGGLED


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=body + SMUGGLED)


LINE = b"GET / HTTP/1.1"
HOST = b"Host: x"

REFUSED: dict[str, tuple[int, bytes]] = {
    # Two lengths.
    "length and chunked": (400, post(b"Content-Length: 5", b"Transfer-Encoding: chunked")),
    "chunked and length": (400, post(b"Transfer-Encoding: chunked", b"Content-Length: 5")),
    "length zero and chunked": (400, post(b"Content-Length: 0", b"Transfer-Encoding: chunked")),
    "length and identity": (400, post(b"Content-Length: 5", b"Transfer-Encoding: identity")),
    "two lengths that differ": (400, post(b"Content-Length: 5", b"Content-Length: 6")),
    "two lengths that agree": (400, post(b"Content-Length: 5", b"Content-Length: 5")),
    "two lengths in one field": (400, post(b"Content-Length: 5, 5")),
    "two lengths, one in capitals": (400, post(b"content-length: 5", b"CONTENT-LENGTH: 0")),
    # Lengths that are no numbers.
    "length with a plus": (400, post(b"Content-Length: +5")),
    "length with a minus": (400, post(b"Content-Length: -5")),
    "length with an underscore": (400, post(b"Content-Length: 1_0")),
    "length in hexadecimal": (400, post(b"Content-Length: 0x5")),
    "length with a point": (400, post(b"Content-Length: 5.0")),
    "length of words": (400, post(b"Content-Length: five")),
    "length of Arabic digits": (400, post(b"Content-Length: \xd9\xa5")),
    "length empty": (400, post(b"Content-Length:")),
    "length empty after a comma": (400, post(b"Content-Length: 5,")),
    "length with a blank inside": (400, post(b"Content-Length: 1 0")),
    "length beyond 64 bits": (400, post(b"Content-Length: 18446744073709551621")),
    "length beyond all bounds": (400, post(b"Content-Length: " + b"9" * 400)),
    # Transfer codings.
    "blank before the colon of TE": (400, post(b"Transfer-Encoding : chunked")),
    "tab before the colon of TE": (400, post(b"Transfer-Encoding\t: chunked")),
    "blank before the colon of CL": (400, post(b"Content-Length : 5")),
    "blank before the name": (400, get(LINE, HOST, b" Transfer-Encoding: chunked")),
    "folded TE": (400, post(b"Transfer-Encoding:\r\n chunked")),
    "folded name": (400, post(b"X: y\r\n\tTransfer-Encoding: chunked")),
    "unknown coding": (400, post(b"Transfer-Encoding: xchunked")),
    "coding with a tail": (400, post(b"Transfer-Encoding: chunked-ish")),
    "identity": (400, post(b"Transfer-Encoding: identity")),
    "gzip before chunked": (400, post(b"Transfer-Encoding: gzip, chunked")),
    "gzip after chunked": (400, post(b"Transfer-Encoding: chunked, gzip")),
    "chunked twice": (400, post(b"Transfer-Encoding: chunked, chunked")),
    "chunked in two fields": (400, post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")),
    "identity and chunked in two fields": (400, post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked")),
    "coding quoted": (400, post(b'Transfer-Encoding: "chunked"')),
    "coding with a parameter": (400, post(b"Transfer-Encoding: chunked;a=b")),
    "coding empty": (400, post(b"Transfer-Encoding:")),
    "coding after a comma": (400, post(b"Transfer-Encoding: ,chunked")),
    "coding with a vertical tab": (400, post(b"Transfer-Encoding: \x0bchunked")),
    "coding with NUL": (400, post(b"Transfer-Encoding: chunked\x00")),
    "coding of HTTP/1.0": (400, b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + ZERO),
    # Line ends.
    "bare LF everywhere": (400, b"GET / HTTP/1.1\nHost: x\n\n" + SMUGGLED),
    "bare LF after the request line": (400, b"GET / HTTP/1.1\nHost: x\r\n\r\n" + SMUGGLED),
    "bare LF after a field": (400, b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n" + SMUGGLED),
    "bare LF at the end": (400, b"GET / HTTP/1.1\r\nHost: x\r\n\n" + SMUGGLED),
    "bare CR in a value": (400, get(LINE, HOST, b"A: b\rTransfer-Encoding: chunked")),
    "bare CR in the request line": (400, get(b"GET /\rX HTTP/1.1", HOST)),
    "bare CR at the end": (400, b"GET / HTTP/1.1\r\nHost: x\r\n\r" + SMUGGLED),
    "CR CR LF": (400, b"GET / HTTP/1.1\r\nHost: x\r\r\n\r\n" + SMUGGLED),
    "two empty lines before": (400, b"\r\n\r\n" + get(LINE, HOST)),
    # Names and values.
    "no name": (400, get(LINE, HOST, b": value")),
    "no colon": (400, get(LINE, HOST, b"value")),
    "NUL in a name": (400, get(LINE, HOST, b"A\x00B: c")),
    "NUL in a value": (400, get(LINE, HOST, b"A: b\x00c")),
    "control in a value": (400, get(LINE, HOST, b"A: b\x01c")),
    "DEL in a value": (400, get(LINE, HOST, b"A: b\x7fc")),
    "blank in a name": (400, get(LINE, HOST, b"A B: c")),
    "bracket in a name": (400, get(LINE, HOST, b"A[0]: c")),
    "8-bit name": (400, get(LINE, HOST, b"\xc3\xa9: c")),
    "authorization twice": (400, get(LINE, HOST, b"Authorization: Bearer a", b"authorization: Bearer b")),
    # Host.
    "no host": (400, get(LINE)),
    "two hosts that differ": (400, get(LINE, HOST, b"Host: y")),
    "two hosts that agree": (400, get(LINE, HOST, b"host: x")),
    "host empty": (400, get(LINE, b"Host:")),
    "host with a path": (400, get(LINE, b"Host: a/#@x")),
    "host with userinfo": (400, get(LINE, b"Host: user@x")),
    "host with a question mark": (400, get(LINE, b"Host: x?y")),
    "host with a blank": (400, get(LINE, b"Host: x y")),
    "host with a comma": (400, get(LINE, b"Host: x, y")),
    "host with a backslash": (400, get(LINE, b"Host: x\\y")),
    "host with a quote": (400, get(LINE, b'Host: x"><script>')),
    "host with 8 bits": (400, get(LINE, b"Host: \xe9x")),
    "host with a percent sign": (400, get(LINE, b"Host: x%00")),
    "host with a bad port": (400, get(LINE, b"Host: x:80a")),
    "host with two ports": (400, get(LINE, b"Host: x:80:90")),
    "host of open brackets": (400, get(LINE, b"Host: [::1")),
    "no host but bad in HTTP/1.0": (400, get(b"GET / HTTP/1.0", b"Host: a b")),
    # Request lines.
    "target with an at sign": (400, get(b"GET @evil HTTP/1.1", HOST)),
    "target without a slash": (400, get(b"GET evil HTTP/1.1", HOST)),
    "target with a fragment": (400, get(b"GET /a#b HTTP/1.1", HOST)),
    "target with 8 bits": (400, get(b"GET /\xe9 HTTP/1.1", HOST)),
    "target with NUL": (400, get(b"GET /\x00 HTTP/1.1", HOST)),
    "target with a tab": (400, get(b"GET /\ta HTTP/1.1", HOST)),
    "target empty": (400, get(b"GET  HTTP/1.1", HOST)),
    "target of two words": (400, get(b"GET /a b HTTP/1.1", HOST)),
    "absolute target, other host": (400, get(b"GET http://evil/ HTTP/1.1", HOST)),
    "absolute target, other port": (400, get(b"GET http://x:81/ HTTP/1.1", HOST)),
    "absolute target with userinfo": (400, get(b"GET http://x@evil/ HTTP/1.1", HOST)),
    "absolute target, host hidden": (400, get(b"GET http://evil\\@x/ HTTP/1.1", HOST)),
    "absolute target, no host": (400, get(b"GET http:///a HTTP/1.1", HOST)),
    "absolute target of another scheme": (400, get(b"GET file:///etc/passwd HTTP/1.1", HOST)),
    "asterisk with GET": (400, get(b"GET * HTTP/1.1", HOST)),
    "asterisk with more": (400, get(b"OPTIONS *a HTTP/1.1", HOST)),
    "two blanks before the target": (400, get(b"GET  / HTTP/1.1", HOST)),
    "two blanks before the version": (400, get(b"GET /  HTTP/1.1", HOST)),
    "tab before the target": (400, get(b"GET\t/ HTTP/1.1", HOST)),
    "blank before the method": (400, get(b" GET / HTTP/1.1", HOST)),
    "blank after the version": (400, get(b"GET / HTTP/1.1 ", HOST)),
    "method in small letters": (400, get(b"get / HTTP/1.1", HOST)),
    "method unknown": (400, get(b"FETCH / HTTP/1.1", HOST)),
    "method with a colon": (400, get(b"GET: / HTTP/1.1", HOST)),
    "CONNECT": (405, get(b"CONNECT evil:443 HTTP/1.1", HOST)),
    "TRACE": (405, get(b"TRACE / HTTP/1.1", HOST)),
    "no version": (400, b"GET /\r\n\r\n" + SMUGGLED),
    "version in small letters": (400, get(b"GET / http/1.1", HOST)),
    "version without a point": (400, get(b"GET / HTTP/11", HOST)),
    "version 1.2": (505, get(b"GET / HTTP/1.2", HOST)),
    "version 0.9": (505, get(b"GET / HTTP/0.9", HOST)),
    "version 2.0": (505, get(b"GET / HTTP/2.0", HOST)),
    "version 1.10": (400, get(b"GET / HTTP/1.10", HOST)),
    "version of another protocol": (400, get(b"GET / RTSP/1.0", HOST)),
    "preface of HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "SSH": (400, b"SSH-2.0-OpenSSH_9.9\n"),
    "expectation unknown": (417, post(b"Expect: 200-ok", b"Content-Length: 5")),
    # Chunks.
    "chunk size in 0x": (400, chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    "chunk size with a plus": (400, chunked(b"+5\r\nhello\r\n0\r\n\r\n")),
    "chunk size with a minus": (400, chunked(b"-5\r\nhello\r\n0\r\n\r\n")),
    "chunk size with an underscore": (400, chunked(b"1_0\r\nhello\r\n0\r\n\r\n")),
    "chunk size with a blank before": (400, chunked(b" 5\r\nhello\r\n0\r\n\r\n")),
    "chunk size with a blank behind": (400, chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
    "chunk size with a tab and extension": (400, chunked(b"5\t;a\r\nhello\r\n0\r\n\r\n")),
    "chunk size empty": (400, chunked(b"\r\nhello\r\n0\r\n\r\n")),
    "chunk size missing before extension": (400, chunked(b";a=b\r\nhello\r\n0\r\n\r\n")),
    "chunk size no number": (400, chunked(b"g\r\nhello\r\n0\r\n\r\n")),
    "chunk size with NUL": (400, chunked(b"5\x00\r\nhello\r\n0\r\n\r\n")),
    "chunk size beyond 32 bits": (400, chunked(b"100000005\r\nhello\r\n0\r\n\r\n")),
    "chunk size beyond 64 bits": (400, chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    "chunk size with bare LF": (400, chunked(b"5\nhello\r\n0\r\n\r\n")),
    "chunk size with bare CR": (400, chunked(b"5\rhello\r\n0\r\n\r\n")),
    "chunk extension with bare LF": (400, chunked(b"5;a\nhello\r\n0\r\n\r\n")),
    "chunk extension with bare CR": (400, chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n")),
    "chunk extension with NUL": (400, chunked(b"5;a\x00\r\nhello\r\n0\r\n\r\n")),
    "chunk longer than its size": (400, chunked(b"5\r\nhello!\r\n0\r\n\r\n")),
    "chunk shorter than its size": (400, chunked(b"5\r\nhell\r\n0\r\n\r\n")),
    "chunk with other bytes for its CRLF": (400, chunked(b"5\r\nhelloXX0\r\n\r\n")),
    "chunk with LF CR": (400, chunked(b"5\r\nhello\n\r0\r\n\r\n")),
    "chunk with a good CR only": (400, chunked(b"5\r\nhello\rX0\r\n\r\n")),
    "chunk with a good LF only": (400, chunked(b"5\r\nhelloX\n0\r\n\r\n")),
    "chunk without CRLF": (400, chunked(b"5\r\nhello0\r\n\r\n")),
    "chunk ending with bare LF": (400, chunked(b"5\r\nhello\n0\r\n\r\n")),
    "chunk ending with bare CR": (400, chunked(b"5\r\nhello\r0\r\n\r\n")),
    "last chunk ending with bare LF": (400, chunked(b"5\r\nhello\r\n0\n\r\n")),
    "trailers ending with bare LF": (400, chunked(b"5\r\nhello\r\n0\r\nA: b\r\n\n")),
    "trailer without colon": (400, chunked(b"5\r\nhello\r\n0\r\nGET / HTTP/1.1\r\n\r\n")),
    "trailer folded": (400, chunked(b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n")),
    "trailer with a blank before its colon": (400, chunked(b"0\r\nA : b\r\n\r\n")),
    "trailer with NUL": (400, chunked(b"0\r\nA: \x00\r\n\r\n")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_and_never_called(run, case):
    status, message = REFUSED[case]

    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            got = await client.ask(message)
            assert got.status == status, got
            assert got.headers["connection"] == "close"
            assert await client.closed()
        assert site.calls == []
        assert len(site.problems) == 1
        assert site.problems[0].fix

    run(body())


BYTE_BY_BYTE = [name for name in REFUSED if not name.startswith(("length", "absolute", "host"))]


@pytest.mark.parametrize("case", BYTE_BY_BYTE)
def test_refused_also_where_every_byte_comes_alone(run, case):
    status, message = REFUSED[case]

    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            for byte in message:
                client.send(bytes([byte]))
                await asyncio.sleep(0)
            got = await client.answer()
            assert got.status == status, got
            assert await client.closed()
        assert site.calls == []

    run(body())


def test_a_trailer_changes_no_header(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            await client.ask(
                b"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer mine\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"5\r\nhello\r\n0\r\nAuthorization: Bearer theirs\r\nHost: y\r\nContent-Length: 9\r\nX: y\r\n\r\n"
            )
        request, _ = site.calls[0]
        assert request.headers == {
            b"host": b"x",
            b"authorization": b"Bearer mine",
            b"transfer-encoding": b"chunked",
        }
        assert request.body == b"hello"

    run(body())


def test_a_refusal_behind_good_requests_comes_in_its_turn(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            client.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + REFUSED["length and chunked"][1])
            assert [(await client.answer()).status for _ in range(3)] == [200, 200, 400]
            assert await client.closed()
        assert len(site.calls) == 2

    run(body())


def test_a_refused_upload_is_read_on_so_that_the_client_sees_why(run):
    async def body():
        site = PlayedSite(body_bytes_max=1000)
        async with served(site) as on, connected(on) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n")
            for _ in range(400):
                client.send(b"x" * 10_000)
            await client.writer.drain()
            got = await client.answer()
            assert (got.status, got.body) == (413, b"body_too_large")
        assert site.calls == []

    run(body())
