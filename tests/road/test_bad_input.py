"""Bad input of every kind at every route: a 4xx in our envelope, never a 5xx, never a bug, never a reset."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import hypothesis
import pytest
import schemathesis
from envelope import THERE, ask, check, path_of
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from wayside import MODEL, Road, chat, endpoint_row, post, road
from wire_site import Answer

pytestmark = [
    pytest.mark.keeps_sockets,  # the router keeps its free connections to the providers
    pytest.mark.timeout(600),  # for the long forms
]

CHAT = "/v1/chat/completions"
EXAMPLES, EXAMPLES_FULL = 300, 10_000
OPERATION_EXAMPLES, OPERATION_EXAMPLES_FULL = 5, 300
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def door(tmp_path_factory) -> Iterator[Road]:
    with road(tmp_path_factory.mktemp("door"), endpoint_row(MODEL, "alpha"), slugs=("alpha",)) as running:
        yield running


def test_the_log_has_no_bug_in_the_end(door) -> None:
    """`waypost_process` looks when the module's server ends; this is the place to say so."""
    assert "Traceback" not in door.log


# What OpenAPI describes, and what it forbids.


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as described", "otherwise"])
@pytest.mark.parametrize("route", THERE, ids=lambda route: route.name)
def test_what_openapi_describes_and_what_it_forbids(door, full, document, route, mode) -> None:
    operation = schemathesis.openapi.from_dict(document)[route.template.replace(":path", "")][route.method]

    @hypothesis.settings(
        max_examples=OPERATION_EXAMPLES_FULL if full else OPERATION_EXAMPLES,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def sent(case: schemathesis.Case) -> None:
        hypothesis.assume(route.name != "revoke_token" or not case.path_parameters["id"].strip().isdigit())
        case.headers["Authorization"] = f"Bearer {door.token}"
        reply = case.call_and_validate(base_url=door.waypost.address, checks=CHECKS)
        check(Answer(reply.status_code, {name: values[0] for name, values in reply.headers.items()}, reply.content))

    with suppress(hypothesis.errors.Unsatisfiable):  # there is nothing to get wrong in it
        sent()


@pytest.fixture(scope="module")
def document(door) -> dict[str, Any]:
    return door.waypost.ask("GET", "/openapi.json").json()


# What no document describes: any bytes in any part of a request.

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
WORDS = st.text(max_size=20) | JSONS
ROLES = st.sampled_from(["user", "system", "tool"])
MESSAGE = st.fixed_dictionaries({"role": ROLES | WORDS, "content": WORDS}) | JSONS
MODELS = st.sampled_from([MODEL, f"{MODEL}:alpha", f"{MODEL}:cheapest", "", "a/b", ":", "a:b:c"])
FORMAT = st.fixed_dictionaries({"type": st.just("json_schema") | JSONS, "json_schema": JSONS})
CHAT_BODY = st.fixed_dictionaries(
    {"model": MODELS | WORDS},
    optional={
        "messages": st.lists(MESSAGE, max_size=3) | JSONS,
        "stream": st.booleans() | JSONS,
        "stream_options": st.fixed_dictionaries({"include_usage": JSONS}) | JSONS,
        "tools": st.lists(JSONS, max_size=2) | JSONS,
        "response_format": FORMAT | JSONS,
        "max_tokens": JSONS,
        "max_completion_tokens": JSONS,
        "n": JSONS,
        "stop": JSONS,
    },
)
BODIES = st.binary(max_size=200) | (CHAT_BODY | JSONS).map(lambda value: json.dumps(value).encode())


SEGMENTS = st.sampled_from(["v1", "api", "models", "chat", "completions", "requests", "alpha", MODEL, "%2F", "..", "."])
ODD_PATHS = st.lists(SEGMENTS | st.text(max_size=8).map(quote), max_size=6).map(lambda parts: "/" + "/".join(parts))
PATHS = st.sampled_from([path_of(route) for route in THERE if route.name != "revoke_token"]) | ODD_PATHS
QUERY_NAMES = st.sampled_from(["limit", "before", "since", "expand", "model", "strangers"]) | st.text(max_size=5)
QUERIES = st.lists(st.tuples(QUERY_NAMES, st.text(max_size=9)), max_size=3).map(urlencode)
METHODS = st.sampled_from(
    ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "BREW", "get"]
)
FIELD_NAMES = st.sampled_from(
    [
        *("content-type", "content-encoding", "accept", "accept-encoding", "origin", "cookie", "x-hf-bill-to", "range"),
        *("x-hf-session-id", "te", "via", "access-control-request-method", "if-none-match", "upgrade", "user-agent"),
    ]
)
LIKELY_VALUES = st.sampled_from(["application/json", "text/plain", "multipart/form-data", "gzip", "*/*", "null", "h2c"])
ODD_VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40)
FIELDS_SENT = st.dictionaries(FIELD_NAMES, LIKELY_VALUES | ODD_VALUES, max_size=4)
SHOWN = st.sampled_from(["good", "good", "good", "none", "bad"])
PIECES = st.sampled_from(
    [
        *(b"GET", b"POST", b" ", b"/", b"/v1/models", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\n", b"\r", b"\r\n\r\n"),
        *(b"host: a", b"content-length: 5", b"content-length: -1", b"transfer-encoding: chunked", b"\x00", b"\xff\xfe"),
        *(b"5\r\nhello\r\n", b"0\r\n\r\n", b": ", b"x" * 100, b"expect: 100-continue", b"ffffffffffffffff\r\n"),
    ]
)


def test_any_request_at_any_path(door, full) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES_FULL if full else EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(METHODS, PATHS, QUERIES, FIELDS_SENT, SHOWN, BODIES)
    def sent(method: str, path: str, query: str, fields: dict[str, str], shown: str, body: bytes) -> None:
        token = {"good": f"Bearer {door.token}", "bad": "Bearer wp_x", "none": ""}[shown]
        lines = [f"{method} {path}?{query} HTTP/1.1", "host: waypost", f"content-length: {len(body)}"]
        lines += [f"authorization: {token}"] if token else []
        lines += [f"{name}: {value}" for name, value in fields.items()]
        data = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        door.run(ask(door, data, bodiless=method == "HEAD"))

    sent()


def test_any_bytes_at_all(door, full) -> None:
    """What is no HTTP gets an answer too, if it looks like something, and never a bug."""

    async def send(data: bytes) -> None:
        async with door.client() as client:
            client.send(data)
            client.writer.write_eof()
            with suppress(ConnectionResetError):  # we may close before we have read what is no request
                said = await client.rest()
                assert said == b"" or said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505")), said

    @hypothesis.settings(max_examples=EXAMPLES_FULL if full else EXAMPLES)
    @hypothesis.given(st.binary() | st.lists(PIECES).map(b"".join))
    def sent(data: bytes) -> None:
        door.run(send(data))

    sent()


# Named kinds, so that each has its code.

DEEP = b'{"model":"acme/one","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
WIDE = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "x"}] * 100_001}).encode()
BAD_BODIES = {
    "nothing": (b"", "invalid_request"),
    "not json": (b"hello", "invalid_request"),
    "half json": (b'{"model": "acme', "invalid_request"),
    "two values": (b"{} {}", "invalid_request"),
    "an array": (b"[]", "invalid_request"),
    "a string": (b'"x"', "invalid_request"),
    "null": (b"null", "invalid_request"),
    "deep": (DEEP, "invalid_request"),
    "wide": (WIDE, "invalid_request"),
    "utf-16": (json.dumps(chat()).encode("utf-16"), "invalid_request"),
    "utf-32": (json.dumps(chat()).encode("utf-32"), "invalid_request"),
    "latin-1": (
        '{"model":"acme/one","messages":[{"role":"user","content":"\u00e9"}]}'.encode("latin-1"),
        "invalid_request",
    ),
    "a byte order mark": (json.dumps(chat()).encode("utf-8-sig"), "invalid_request"),
    "half a character": (json.dumps(chat(prompt="\ud83d")).encode(), "invalid_request"),
    "zero bytes": (b"\x00" * 100, "invalid_request"),
    "gzip": (zlib.compress(json.dumps(chat()).encode(), wbits=31), "invalid_request"),
    "a form": (b"model=acme%2Fone&messages=x", "invalid_request"),
    "no model": (b'{"messages":[{"role":"user","content":"x"}]}', "invalid_request"),
    "no messages": (b'{"model":"acme/one"}', "invalid_request"),
    "empty messages": (b'{"model":"acme/one","messages":[]}', "invalid_request"),
    "a huge number": (
        b'{"model":"acme/one","messages":[{"role":"user"}],"max_tokens":1%b}' % (b"0" * 5000),
        "invalid_request",
    ),
    "an unknown model": (json.dumps(chat("acme/two")).encode(), "model_not_found"),
    "an unknown tag": (json.dumps(chat(f"{MODEL}:fast")).encode(), "unknown_policy"),
    "two tags": (json.dumps(chat(f"{MODEL}:fastest:alpha")).encode(), "unknown_policy"),
    "a model with a line break": (json.dumps(chat("acme/one\r\nx: y")).encode(), "invalid_request"),
    "a long model": (json.dumps(chat("a/" + "b" * 5000)).encode(), "invalid_request"),
}


@pytest.mark.parametrize("path", [CHAT, "/alpha/v1/chat/completions", "/v1/explain"])
@pytest.mark.parametrize(("body", "code"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body_is_told_by_name(door, body: bytes, code: str, path: str) -> None:
    expected = {code}
    if path.startswith("/alpha") and b"messages" in body:
        expected.add("model_not_found")  # an id there is the provider's own, whatever it looks like
    if path == "/v1/explain" and code in {"model_not_found", "unknown_policy"}:
        expected = {None}  # what would be refused is told in a 200
    assert door.run(ask(door, post(door.token, body, path))) in expected


def test_bodies_over_the_limit_are_refused_before_they_come(door) -> None:
    async def story() -> None:
        for path in (CHAT, "/v1/explain", "/alpha/v1/chat/completions", "/api/settings/tokens"):
            head = post(door.token, b"", path).replace(b"content-length: 0", b"content-length: 40000000")
            began = time.perf_counter()
            assert await ask(door, head) == "body_too_large"
            assert await ask(door, head.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n")) == "body_too_large"
            assert time.perf_counter() - began < 1
        chunked = post(door.token, b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
        assert await ask(door, chunked + (b"100000\r\n" + b"x" * 0x100000 + b"\r\n") * 33) == "body_too_large"

    door.run(story())


def test_a_large_body_of_a_stranger_is_not_taken(door) -> None:
    async def story() -> None:
        head = post("wp_nobody", b"").replace(b"content-length: 0", b"content-length: 1000000")
        assert await ask(door, head) == "token_malformed"

    door.run(story())


def test_wrong_content_types_and_codings_are_told(door) -> None:
    body = json.dumps(chat()).encode()

    async def code_of(*lines: str) -> str | None:
        request = post(door.token, body).replace(b"content-type: application/json\r\n", b"")
        extra = "".join(f"{line}\r\n" for line in lines).encode()
        return await ask(door, request.replace(b"\r\n\r\n", b"\r\n" + extra + b"\r\n", 1))

    async def story() -> None:
        assert await code_of("content-type: application/json; charset=utf-8") is None
        assert await code_of("content-encoding: identity") is None
        assert await code_of() is None  # curl -d says application/x-www-form-urlencoded, many say nothing: JSON decides
        for coding in ("gzip", "br", "deflate, gzip"):
            code = await code_of(f"content-encoding: {coding}")
            assert code in {None, "unsupported_media_type", "invalid_request"}, code

    door.run(story())


def test_head_options_and_other_methods_at_every_route(door) -> None:
    async def story() -> None:
        for route in THERE:
            path = path_of(route)
            lines = f"{path} HTTP/1.1\r\nhost: waypost\r\nauthorization: Bearer {door.token}\r\n\r\n".encode()
            head = await ask(door, b"HEAD " + lines, bodiless=True)
            unknown = {None, "request_not_found", "not_found"}
            assert head in (unknown if route.method == "GET" else {*unknown, "method_not_allowed"}), path
            assert await ask(door, b"OPTIONS " + lines) is None
            changeable = any(one.method == "PATCH" and one.template == route.template for one in THERE)
            methods = (b"TRACE", b"CONNECT", b"PROPFIND", b"BREW", b"get", *([] if changeable else [b"PATCH"]))
            for method in methods:
                assert await ask(door, method + b" " + lines) in {"method_not_allowed", "bad_request"}, (method, path)

    door.run(story())
