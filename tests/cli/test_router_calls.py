"""Calls over real sockets: what comes back, and what can go wrong on the way."""

from __future__ import annotations

import ssl

import pytest
import trustme
from played import played, reply, streamed

from waypost.cli.exits import Stop
from waypost.cli.router_calls import Router, Token, problem_of
from waypost.cli.whereabouts import Destination, Standing
from waypost.domain.problems import Problem


def router(url: str, secret: str | None = "wp_secret", renew=lambda _: None) -> Router:
    return Router(Destination(url), Token(secret, renew))


def test_a_document_is_asked_for_with_token_and_query() -> None:
    with played(reply({"data": [1]})) as server:
        assert router(server.url).get("/v1/requests", {"since": "a b", "model": None, "limit": 3}) == {"data": [1]}
    head = server.asked[0].decode().lower()
    assert head.startswith("get /v1/requests?since=a+b&limit=3 http/1.1\r\n")
    assert "\r\nauthorization: bearer wp_secret\r\n" in head


def test_without_a_token_none_is_shown() -> None:
    with played(reply({})) as server:
        router(server.url, None).get("/live")
    assert b"authorization" not in server.asked[0].lower()


def test_a_refusal_keeps_its_code_its_reason_and_its_request() -> None:
    told = {"error": {"code": "rate_limited", "message": "Too many.", "why": "60 of 60", "fix": "Wait."}}
    with played(reply(told, "429 Too Many", "x-request-id: req_1")) as server, pytest.raises(Problem) as refused:
        router(server.url).post("/v1/explain", {})
    problem = refused.value
    assert (problem.code, problem.status, problem.why, problem.fix) == ("rate_limited", 429, "60 of 60", "Wait.")
    assert problem.extra == {"request_id": "req_1"}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"error": "Invalid username or password."}, "Invalid username or password."),
        ({"error": {"message": "No such model", "type": "invalid_request_error"}}, "No such model"),
        ("<html>", "The router answered 404."),
        ({}, "The router answered 404."),
        ({"error": {"code": 17}}, "The router answered 404."),
    ],
)
def test_any_router_s_way_to_say_no_is_understood(told, message) -> None:
    problem = problem_of(told, 404)
    assert (problem.message, problem.status) == (message, 404)


def test_a_stale_token_is_renewed_once() -> None:
    stale = reply({"error": {"code": "token_revoked", "message": "m"}}, "401 No", "x-error-code: token_revoked")
    with played(stale, reply({"ok": True})) as server:
        assert router(server.url, "old", lambda _: "new").get("/x") == {"ok": True}
    assert [b"Bearer old" in server.asked[0], b"Bearer new" in server.asked[1]] == [True, True]
    with played(stale) as server, pytest.raises(Problem):
        router(server.url, "old", lambda _: "new").get("/x")
    assert len(server.asked) == 2


def test_a_token_that_was_given_is_never_replaced() -> None:
    stale = reply({"error": {"code": "token_revoked", "message": "m"}}, "401 No", "x-error-code: token_revoked")
    with played(stale) as server, pytest.raises(Problem):
        router(server.url, "given").get("/x")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("bytes_sent", "why"),
    [
        (reply(b"<html>"), "it sent no JSON"),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP"),
        (b"", "it hung up"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", "it hung up"),
    ],
)
def test_what_answers_otherwise_is_no_waypost(bytes_sent, why) -> None:
    with played(bytes_sent) as server, pytest.raises(Stop, match=why) as stopped:
        router(server.url).get("/v1/models")
    assert stopped.value.code == 4
    assert "waypost serve" in stopped.value.hint


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1", "nobody listens there"),
        ("http://127.0.0.1:99999", "out of range"),
        ("http://", "nobody listens there|not known"),
    ],
)
def test_what_cannot_be_reached_is_said_with_its_address(url, why) -> None:
    with pytest.raises(Stop, match=why) as stopped:
        router(url).get("/v1/models")
    assert stopped.value.code == 4
    assert url in stopped.value.message


def test_a_stream_comes_in_pieces_and_its_refusal_is_a_refusal() -> None:
    with played(streamed({"a": 1})) as server, router(server.url).stream("/v1/x", {"b": 2}) as response:
        text = b""
        while data := router(server.url).read_some(response):
            text += data
    assert text == b'data: {"a": 1}\n\ndata: [DONE]\n\n'
    assert server.asked[0].endswith(b'{"b": 2}')
    refused = reply({"error": {"code": "rate_limited", "message": "m"}}, "429 No")
    with played(refused) as server, pytest.raises(Problem), router(server.url).stream("/v1/x", {}):
        pass


def test_our_own_server_s_certificate_is_known_by_itself(tmp_path) -> None:
    certificate = trustme.CA().issue_cert("another.name.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    file = tmp_path / "cert.pem"
    file.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    with played(reply({"ok": 1}), tls=context) as server:
        ours = Destination(server.url, tmp_path, Standing(server.url, 1, {}, str(file)))
        assert Router(ours, Token(None)).get("/x") == {"ok": 1}
        with pytest.raises(Stop, match="certificate is not trusted"):
            router(server.url).get("/x")
