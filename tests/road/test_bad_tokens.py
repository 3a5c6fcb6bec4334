"""Each kind of bad token is told apart at every route, never repeated, and remembered where only operators look."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from envelope import THERE, ask, check, path_of
from wayside import MODEL, Road, chat, endpoint_row, get, post, road

from waypost.door.routes import Auth
from waypost.identity.tokens import mint

pytestmark = pytest.mark.keeps_sockets  # the router keeps its free connections to the providers


@pytest.fixture(scope="module")
def door(tmp_path_factory) -> Iterator[Road]:
    with road(tmp_path_factory.mktemp("door"), endpoint_row(MODEL, "alpha"), slugs=("alpha",)) as running:
        yield running


GOOD_SHAPE = mint("wp_").secret
BAD_TOKENS = {
    "": "token_missing",
    "Bearer": "token_missing",
    "Bearer ": "token_missing",
    "Basic dXNlcjpwYXNz": "token_malformed",
    "Token abc": "token_malformed",
    GOOD_SHAPE: "token_malformed",
    f"Bearer Bearer {GOOD_SHAPE}": "token_malformed",
    f"Bearer: {GOOD_SHAPE}": "token_malformed",
    f'Bearer "{GOOD_SHAPE}"': "token_malformed",
    f"Bearer '{GOOD_SHAPE}'": "token_malformed",
    f"Bearer {GOOD_SHAPE[:9]} {GOOD_SHAPE[9:]}": "token_malformed",
    f"Bearer {GOOD_SHAPE[:-1]}": "token_malformed",
    f"Bearer {GOOD_SHAPE}x": "token_malformed",
    f"Bearer {GOOD_SHAPE[:-1]}{'a' if GOOD_SHAPE[-1] != 'a' else 'b'}": "token_malformed",
    "Bearer $WAYPOST_TOKEN": "token_malformed",
    "Bearer None": "token_malformed",
    "Bearer undefined": "token_malformed",
    "Bearer sk-proj-abcdefghijklmnop": "token_malformed",
    "Bearer hf_abcdefghijklmnopqrstuvwxyzabcdefgh": "token_malformed",
    "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc": "token_malformed",
    "Bearer \u00e9\u00e8": "token_malformed",
    "Bearer " + "x" * 8000: "token_malformed",
    f"Bearer {GOOD_SHAPE}": "token_unknown",
    f"bearer   {GOOD_SHAPE}  ": "token_unknown",
}


@pytest.mark.parametrize("shown", BAD_TOKENS, ids=lambda shown: repr(shown[:30]))
def test_each_bad_token_is_told_apart_at_every_route_and_never_repeated(door, shown: str) -> None:
    async def story() -> None:
        for route in THERE:
            path = path_of(route)
            body = json.dumps(chat()).encode() if route.method in {"POST", "PUT"} else b""
            head = f"{route.method} {path} HTTP/1.1\r\nhost: w\r\nauthorization: {shown}\r\ncontent-length: {len(body)}"
            async with door.client() as client:
                client.send(head.encode("latin-1") + b"\r\n\r\n" + body)
                answer = await client.answer()
            code = check(answer)
            assert code == (None if route.auth is Auth.NONE else BAD_TOKENS[shown]), (route.name, code)
            assert code is None or (len(shown) < 20 or shown[-15:].encode("latin-1") not in answer.body)

    door.run(story())


def test_a_token_in_another_clients_header_is_told_so_at_every_route_and_never_repeated(door) -> None:
    """Anthropic's clients send `x-api-key`."""

    async def story() -> None:
        for route in THERE:
            body = b"x" * (100_000 if route.whole_body else 0)  # a large one is refused before it is read
            head = f"{route.method} {path_of(route)} HTTP/1.1\r\nhost: w\r\nx-api-key: {door.token}\r\n"
            async with door.client() as client:
                client.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
                answer = await client.answer()
            code = check(answer)
            assert code == ("token_missing" if route.auth is Auth.TOKEN else None), (route.name, code)
            if code is not None:
                error = json.loads(answer.body)["error"]
                words = error if isinstance(error, str) else error["message"]
                assert "x-api-key" in words, route.name
                assert "Authorization: Bearer" in words, route.name
            assert door.token.encode() not in answer.body

    door.run(story())


def test_revoked_and_expired_tokens_are_told_apart(door) -> None:
    soon_over = datetime.now(UTC) + timedelta(seconds=1)
    expiring = door.waypost.new_token(expires_at=soon_over.isoformat())
    revoked = door.waypost.new_token()
    own = door.waypost.ask("GET", "/api/settings/tokens").json()["data"]
    [number] = [token["id"] for token in own if token["last4"] == revoked[-4:]]
    assert door.waypost.ask("DELETE", f"/api/settings/tokens/{number}").status_code == 200

    async def story() -> None:
        assert await ask(door, post(revoked, chat())) == "token_revoked"
        assert await ask(door, get(revoked, "/v1/models")) == "token_revoked"
        await asyncio.sleep(max(0.0, (soon_over - datetime.now(UTC)).total_seconds()) + 0.05)
        assert await ask(door, post(expiring, chat())) == "token_expired"

    door.run(story())


def test_a_scope_that_is_missing_is_named(door) -> None:
    blind = door.waypost.new_token(permissions=["user.settings"])

    async def story() -> None:
        async with door.client() as client:
            answer = await client.ask(post(blind, chat()))
        assert check(answer) == "scope_missing"
        assert b"inference.serverless.write" in answer.body

    door.run(story())


def test_refusals_have_waybills_and_strangers_go_to_their_own_ring(door) -> None:
    async def story() -> None:
        async with door.client() as client:
            refused = await client.ask(post(door.token, chat("acme/two")))
            strange = await client.ask(post(GOOD_SHAPE, chat()))
            bill = await client.ask(get(door.token, f"/v1/requests/{refused.headers['x-request-id']}"))
            shown = json.loads(bill.body)
            assert (shown["outcome"], shown["status"], shown["code"]) == ("refused", 400, "model_not_found")
            assert shown["attempts"] == []
            await asyncio.sleep(0.1)  # nobody waits for the ring
            ring = json.loads((await client.ask(get(door.token, "/v1/requests?strangers=true"))).body)["data"]
            assert ring[0]["id"] == strange.headers["x-request-id"]
            assert ring[0]["code"] == "token_unknown"
            missing = await client.ask(get(door.token, f"/v1/requests/{strange.headers['x-request-id']}"))
            assert missing.status == 404

    door.run(story())


def test_what_is_refused_before_its_body_is_read_is_written_down_like_the_rest(door) -> None:
    too_large = 33 * 1024 * 1024

    def head(token: str, size: int) -> bytes:
        return post(token, b"").replace(b"content-length: 0", b"content-length: %d" % size)

    async def story() -> None:
        async with door.client() as client:
            client.send(head(GOOD_SHAPE, 100_000))
            strange = await client.answer()
        async with door.client() as client:
            client.send(head(door.token, too_large))
            large = await client.answer()
        async with door.client() as client:
            client.send(head(GOOD_SHAPE, 100_000).replace(b"authorization", b"x-other"))
            nobody = await client.answer()
        assert [check(one) for one in (strange, large, nobody)] == ["token_unknown", "body_too_large", "token_missing"]
        async with door.client() as client:
            wanted = [nobody.headers["x-request-id"], strange.headers["x-request-id"]]
            give_up = time.monotonic() + 5  # nobody waits for the ring
            while True:
                rows = json.loads((await client.ask(get(door.token, "/v1/requests?strangers=true"))).body)["data"]
                if [row["id"] for row in rows[:2]] == wanted:
                    break
                assert time.monotonic() < give_up, rows[:2]
                await asyncio.sleep(0.01)
            assert rows[1]["stranger"].startswith("Bearer, 36 characters"), rows[1]
            bill = json.loads((await client.ask(get(door.token, f"/v1/requests/{large.headers['x-request-id']}"))).body)
        assert (bill["outcome"], bill["status"], bill["code"]) == ("refused", 413, "body_too_large")
        assert bill["fix"]

    before = door.run(door.gauge('waypost_requests_total{outcome="refused",code="token_missing"'))
    door.run(story())
    assert door.run(door.gauge('waypost_requests_total{outcome="refused",code="token_missing"')) == before + 1
