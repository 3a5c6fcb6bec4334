"""The door over real sockets: each request leaves for the handler its row names."""

from contextlib import asynccontextmanager

import pytest
from crossroads import provider
from reception import UNKNOWN, Reception
from wire_site import connected, served

from waypost.domain.problems import Refusal
from waypost.door.asgi import AsgiBridge
from waypost.door.cors import Cors
from waypost.door.meter import Meter
from waypost.door.probes import Probes
from waypost.door.problems import problem_writer
from waypost.door.site import Door

PROVIDERS = [
    provider("alpha"),
    provider("groq", native_paths=("/openai/v1/chat/completions",)),
    provider("hf-inference", native_paths=("/models/{id}/v1/chat/completions",)),
]
ORIGIN = "https://chat.example.com"


class Chat:
    def __init__(self):
        self.away = []

    def __call__(self, request, reply, pinned=None):
        reply.send(200, b"content-type: text/plain\r\n", f"chat at {pinned} {len(request.body)}".encode())

    def turned_away(self, request, problem):
        self.away.append((request.path, problem.code))
        return "req_of_a_call"


@asynccontextmanager
async def door(**more):
    reception = Reception()
    bridge = AsgiBridge(reception.app)
    site = Door(
        chat=Chat(),
        hot=Probes(Meter(), list, reception.next_id).handlers(),
        cold=bridge.call,
        identity=reception.people.identity,
        problems=problem_writer("waypost"),
        request_ids=reception.next_id,
        cors=Cors([ORIGIN]),
        **more,
    )
    site.serve(PROVIDERS)
    reception.chats = site.chats
    async with served(site) as listening, connected(listening) as client:
        client.site = site
        yield client
    await bridge.close()


def asked(method, path, body=b"", **headers):
    lines = {"host": "waypost.test", "content_length": len(body), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def answer(method, path, body=b"", *, settings=None, **headers):
    async with door(**(settings or {})) as client:
        client.send(asked(method, path, body, **headers))
        return await client.answer(bodiless=method == "HEAD")


@pytest.mark.parametrize(
    ("path", "pinned"),
    [
        ("/v1/chat/completions", None),
        ("/v1/chat/completions?beta=true", None),
        ("/alpha/v1/chat/completions", "alpha"),
        ("/groq/v1/chat/completions", "groq"),
        ("/groq/openai/v1/chat/completions", "groq"),
        ("/hf-inference/models/acme/one/v1/chat/completions", "hf-inference"),
        ("/hf-inference/models/acme%2Fone/v1/chat/completions", "hf-inference"),
    ],
)
def test_a_conversation_goes_to_its_handler_with_the_provider_its_path_pins(run, path, pinned):
    assert run(answer("POST", path, b"12345")).body == f"chat at {pinned} 5".encode()


@pytest.mark.parametrize("path", ["/live", "/ready", "/metrics", "/v1/models", "/v1/models/acme%2Fone", "/api/tasks"])
def test_everything_else_is_answered_by_its_own_row(run, path):
    got = run(answer("GET", path))
    assert got.status == 200
    assert got.headers["x-request-id"].startswith("req_")
    head = run(answer("HEAD", path))
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/nowhere", 404),
        ("POST", "/zeta/v1/chat/completions", 404),
        ("GET", "/v1/chat/completions", 405),
        ("PUT", "/groq/openai/v1/chat/completions", 405),
        ("POST", "/ready", 405),
        ("DELETE", "/v1/models/acme/one", 405),
        ("POST", "/v1/chat%2Fcompletions", 404),
    ],
)
def test_what_is_not_served_is_refused_in_our_envelope(run, method, path, status):
    got = run(answer(method, path))
    assert got.status == status
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-error-code"] == ("not_found" if status == 404 else "method_not_allowed")


def test_providers_of_new_settings_are_served_at_once(run):
    async def main():
        async with door() as client:
            client.site.serve([provider("zeta")])
            zeta = await client.ask(asked("POST", "/zeta/v1/chat/completions"))
            alpha = await client.ask(asked("POST", "/alpha/v1/chat/completions"))
            return zeta.status, alpha.status

    assert run(main()) == (200, 404)


def test_a_large_body_is_taken_for_a_conversation_and_for_nothing_else(run):
    body = b"x" * 100_000
    with_token = {"authorization": "Bearer anna"}
    assert run(answer("POST", "/v1/chat/completions", body, **with_token)).status == 200
    refused = run(answer("POST", "/api/settings/tokens", body, **with_token))
    assert refused.status == 413
    assert (
        run(answer("POST", "/v1/chat/completions", body, settings={"body_bytes_max": 90_000}, **with_token)).status
        == 413
    )


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/v1/chat/completions", {}, "token_missing"),
        ("/v1/chat/completions", {"authorization": f"Bearer {UNKNOWN}"}, "token_unknown"),
        ("/nowhere", {"authorization": "Bearer anna"}, "not_found"),
        ("/v1/models", {}, "method_not_allowed"),
    ],
)
def test_a_body_that_waits_is_refused_before_it_is_sent(run, path, headers, code):
    async def main():
        async with door() as client:
            head = asked("POST", path, content_length=5, expect="100-continue", **headers)
            client.send(head)
            return await client.answer()

    assert run(main()).headers["x-error-code"] == code


def test_a_body_that_waits_is_asked_for_where_it_will_be_read(run):
    async def main():
        async with door() as client:
            path, token = "/v1/chat/completions", "Bearer anna"
            client.send(asked("POST", path, content_length=5, expect="100-continue", authorization=token))
            assert (await client.answer()).status == 100
            client.send(b"12345")
            return await client.answer()

    assert run(main()).body == b"chat at None 5"


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/v1/chat/completions", {}, "token_missing"),
        ("/groq/openai/v1/chat/completions", {"authorization": "Bearer anna"}, "body_too_large"),
    ],
)
def test_a_conversation_refused_before_its_body_is_somebodys_to_write_down(run, path, headers, code):
    async def main():
        async with door() as client:
            client.send(asked("POST", path, content_length=10**9, **headers))
            answer = await client.answer()
            return answer.headers, client.site._chat.away

    got, away = run(main())
    assert (got["x-error-code"], got["x-request-id"]) == (code, "req_of_a_call")
    assert away == [(path, code)]


def test_what_is_no_conversation_is_nobodys_to_write_down(run):
    async def main():
        async with door() as client:
            client.send(asked("POST", "/v1/explain", content_length=10**9))
            return await client.answer(), client.site._chat.away

    got, away = run(main())
    assert (got.status, away) == (401, [])


def test_options_tells_the_methods_of_a_path(run):
    got = run(answer("OPTIONS", "/api/settings/inference-providers"))
    assert (got.status, got.headers["allow"]) == (204, "GET, PUT, HEAD, OPTIONS")
    assert run(answer("OPTIONS", "*")).status == 204
    assert run(answer("OPTIONS", "/nowhere")).status == 404


def test_a_browser_on_an_allowed_page_may_call_and_on_another_may_not(run):
    asks = {"access_control_request_method": "POST", "access_control_request_headers": "authorization"}
    got = run(answer("OPTIONS", "/v1/chat/completions", origin=ORIGIN, **asks))
    assert got.headers["access-control-allow-origin"] == ORIGIN
    assert got.headers["access-control-allow-methods"] == "POST, OPTIONS"
    other = run(answer("OPTIONS", "/v1/chat/completions", origin="https://evil.example", **asks))
    assert not [name for name in other.headers if name.startswith("access-control")]


def test_refusals_of_the_wire_itself_wear_the_same_envelope(run):
    async def main():
        async with door() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")
            return await client.answer()

    got = run(main())
    assert (got.status, got.headers["x-error-code"]) == (400, "bad_request")
    assert b'"request_id":"req_' in got.body


def test_a_refusal_without_a_request_can_be_written(run):
    async def main():
        async with door() as client:
            return client.site.problem(Refusal("headers_too_large", "m"), None)

    assert run(main())[0] == 431
