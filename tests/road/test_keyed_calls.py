"""Calls with an Idempotency-Key through the whole house: however often they are sent, made and charged once."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from inside import Inside, inside
from keyed_provider import KeyedProvider, keyed_provider
from wayside import chat, get, post
from wire_site import Answer

pytestmark = pytest.mark.keeps_sockets  # the router keeps its free connections to the provider


class Road(NamedTuple):
    """A serving process and its only provider."""

    house: Inside
    provider: KeyedProvider

    async def send(self, key: str | None, prompt: str = "hello", *lines: str, **fields: Any) -> Answer:
        async with self.house.client() as client:
            return await client.ask(self.request(key, prompt, *lines, **fields))

    def request(self, key: str | None, prompt: str = "hello", *lines: str, **fields: Any) -> bytes:
        keyed = lines if key is None else (f"idempotency-key: {key}", *lines)
        path = fields.pop("path", "/v1/chat/completions")
        return post(self.house.token, chat("acme/one", prompt, **{"max_tokens": 50, **fields}), path, *keyed)

    async def bills(self) -> list[dict[str, Any]]:
        async with self.house.client() as client:
            answer = await client.ask(get(self.house.token, "/v1/requests?limit=200"))
        return json.loads(answer.body)["data"]

    async def charged(self) -> list[int]:
        return [bill["charge_nano_usd"] for bill in await self.bills() if bill["charge_nano_usd"]]


@asynccontextmanager
async def road_in(folder) -> AsyncIterator[Road]:
    async with keyed_provider() as provider:
        settings = "[practice]\nenabled = false\n" + provider.settings("alpha", 'key_env = "ALPHA_KEY"')
        async with inside(folder, settings, {"ALPHA_KEY": "sk-of-the-operator"}) as house:
            yield Road(house, provider)


def on_the_road(folder, story: Callable[[Road], Awaitable[None]]) -> None:
    async def run() -> None:
        async with road_in(folder) as road:
            await story(road)

    asyncio.run(run())


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["error"]["code"]


SAME = ("x-request-id", "content-type", "x-inference-provider", "x-waypost-payer", "x-waypost-attempts")


@pytest.mark.parametrize("stream", [True, False])
def test_the_same_again_gets_the_same_reply_and_is_charged_once(tmp_path, stream) -> None:
    async def story(road: Road) -> None:
        first = await road.send("k1", stream=stream)
        again = [await road.send("k1", stream=stream) for _ in range(3)]
        assert first.status == 200
        assert "idempotency-replayed" not in first.headers
        for answer in again:
            assert (answer.status, answer.body) == (first.status, first.body)
            assert answer.headers["idempotency-replayed"] == "true"
            assert [answer.headers.get(name) for name in SAME] == [first.headers.get(name) for name in SAME]
        assert len(road.provider.keys) == 1
        assert await road.charged() == [30_000]
        bills = await road.bills()
        assert [bill["outcome"] for bill in bills] == ["delivered"] * 4
        assert len({bill["id"] for bill in bills}) == 4

    on_the_road(tmp_path, story)


def test_other_keys_and_none_are_calls_of_their_own(tmp_path) -> None:
    async def story(road: Road) -> None:
        bodies = [(await road.send(key, stream=False)).body for key in ("k1", "k2", None, None)]
        assert len(set(bodies)) == 4
        assert len(await road.charged()) == 4

    on_the_road(tmp_path, story)


def test_the_same_key_for_something_else_is_refused(tmp_path) -> None:
    async def story(road: Road) -> None:
        first = await road.send("k1")
        others = [
            await road.send("k1", "something else"),
            await road.send("k1", stream=False),
            await road.send("k1", path="/alpha/v1/chat/completions"),
            await road.send("k1", "hello", f"x-hf-bill-to: {road.house.serving.identity._users[1].name}"),
        ]
        assert [code(answer) for answer in others] == [(422, "idempotency_mismatch")] * 4
        assert json.loads(others[0].body)["error"]["first_request_id"] == first.headers["x-request-id"]
        assert len(road.provider.keys) == 1

    on_the_road(tmp_path, story)


@pytest.mark.parametrize("stream", [True, False])
def test_while_the_first_runs_the_second_is_told_to_come_back(tmp_path, stream) -> None:
    async def story(road: Road) -> None:
        async with road.house.client() as client:
            client.send(road.request("k1", "wait", stream=stream))
            while not road.provider.keys:
                await asyncio.sleep(0.01)
            second = await road.send("k1", "wait", stream=stream)
            assert code(second) == (409, "idempotency_in_progress")
            assert int(second.headers["retry-after"]) > 0
            road.provider.go_on.set()
            first = await client.answer()
        assert (await road.send("k1", "wait", stream=stream)).body == first.body
        assert len(await road.charged()) == 1

    on_the_road(tmp_path, story)


@pytest.mark.parametrize("stream", [True, False])
def test_who_lost_the_connection_gets_the_answer_by_asking_again(tmp_path, stream) -> None:
    async def story(road: Road) -> None:
        async with road.house.client() as client:
            client.send(road.request("k1", "wait", stream=stream))
            while not road.provider.keys:
                await asyncio.sleep(0.01)
            if stream:
                await client.head()
        assert code(await road.send("k1", "wait", stream=stream))[0] == 409
        road.provider.go_on.set()
        answer = await road.send("k1", "wait", stream=stream)
        while answer.status == 409:
            await asyncio.sleep(0.01)
            answer = await road.send("k1", "wait", stream=stream)
        assert (answer.status, answer.headers["idempotency-replayed"]) == (200, "true")
        assert b"answer 1" in answer.body
        assert answer.body.endswith(b"[DONE]\n\n") == stream
        assert len(road.provider.keys) == 1
        assert await road.charged() == [30_000]

    on_the_road(tmp_path, story)


def test_what_came_to_nothing_lets_its_key_go(tmp_path) -> None:
    """Refused before anything was sent, failed before or after the first word: nothing was charged."""

    async def story(road: Road) -> None:
        for prompt, status in (("fail", 502), ("fail", 502), ("drop", 200)):
            assert (await road.send("k1", prompt)).status == status
        for wrong, status in (({"messages": "none"}, 400), ({"max_tokens": 10**9}, 402)):
            assert (await road.send("k1", **wrong)).status == status
        assert await road.charged() == []
        assert (await road.send("k1")).status == 200
        assert len(await road.charged()) == 1

    on_the_road(tmp_path, story)


@pytest.mark.parametrize("stream", [True, False])
def test_a_reply_that_is_too_long_to_be_kept_holds_its_key(tmp_path, stream) -> None:
    async def story(road: Road) -> None:
        first = await road.send("k1", "long", stream=stream)
        assert first.status == 200
        assert len(first.body) > 1_000_000
        second = await road.send("k1", "long", stream=stream)
        assert code(second) == (409, "idempotency_unkept")
        error = json.loads(second.body)["error"]
        assert error["first_request_id"] == first.headers["x-request-id"]
        assert first.headers["x-request-id"] in error["fix"]
        assert len(road.provider.keys) == 1

    on_the_road(tmp_path, story)


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "\u00fcber"])
def test_what_cannot_be_a_key_is_refused(tmp_path, key) -> None:
    async def story(road: Road) -> None:
        answer = await road.send(key)
        assert code(answer) == (400, "invalid_request")
        assert json.loads(answer.body)["error"]["param"] == "Idempotency-Key"
        assert road.provider.keys == []

    on_the_road(tmp_path, story)


def test_a_token_nobody_knows_neither_claims_nor_reads(tmp_path) -> None:
    async def story(road: Road) -> None:
        first = await road.send("k1")
        assert first.status == 200
        stranger = Road(road.house._replace(token="wp_unknown"), road.provider)
        assert (await stranger.send("k1")).status == 401
        assert (await stranger.send("k2")).status == 401
        assert (await road.send("k2")).status == 200

    on_the_road(tmp_path, story)


def test_replies_lie_sealed_on_the_disk(tmp_path) -> None:
    async def story(road: Road) -> None:
        assert b"answer 1" in (await road.send("k1", stream=False)).body

    on_the_road(tmp_path, story)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "vault" for path in files)
    assert all(b"answer 1" not in path.read_bytes() for path in files)


def test_after_a_restart_replies_are_there_and_cut_off_calls_let_their_keys_go(tmp_path) -> None:
    lost = {"user": 1, "key": b"x" * 32, "body": b"y" * 32}

    async def story() -> None:
        async with keyed_provider() as provider:
            settings = "[practice]\nenabled = false\n" + provider.settings("alpha", 'key_env = "ALPHA_KEY"')
            async with inside(tmp_path, settings, {"ALPHA_KEY": "sk-of-the-operator"}) as house:
                token = house.token
                first = await Road(house, provider).send("kept", stream=False)
                assert (await house.serving.books.run("keyed.claim", {**lost, "call": 1}))["state"] == "yours"
            async with inside(tmp_path, settings, {"ALPHA_KEY": "sk-of-the-operator"}) as house:
                again = await Road(house._replace(token=token), provider).send("kept", stream=False)
                assert (again.body, again.headers["idempotency-replayed"]) == (first.body, "true")
                assert (await house.serving.books.run("keyed.claim", {**lost, "call": 2}))["state"] == "yours"
            assert len(provider.keys) == 1

    asyncio.run(story())


@pytest.mark.parametrize("seed", range(3))
def test_no_interleaving_of_any_number_of_senders_charges_a_key_twice(tmp_path, seed) -> None:
    """Senders that send, leave in the middle, and send again until they have it; whatever the provider does."""

    async def sender(road: Road, dice: random.Random, key: str, prompt: str, *, stream: bool) -> bytes | None:
        for _ in range(200):
            if dice.random() < 0.4:
                async with road.house.client() as client:
                    client.send(road.request(key, prompt, stream=stream))
                    await asyncio.sleep(dice.random() * 0.01)
                continue
            answer = await road.send(key, prompt, stream=stream)
            if answer.status == 200 and b'"error"' not in answer.body:
                return answer.body
            if answer.status != 409:
                return None
            await asyncio.sleep(dice.random() * 0.02)
        raise AssertionError("never answered")

    async def story(road: Road) -> None:
        dice = random.Random(seed)
        road.provider.go_on.set()
        senders = []
        for number in range(12):
            prompt, stream = dice.choice(["hello", "wait", "fail", "drop"]), dice.random() < 0.5
            prompt = "hello" if prompt == "drop" and not stream else prompt
            senders += [sender(road, dice, f"k{number}", prompt, stream=stream) for _ in range(4)]
        bodies = await asyncio.gather(*senders)
        await road.house.serving.chat.idle()
        charges: dict[str, int] = {}
        answered = 0
        for place in range(12):
            got = {body for body in bodies[place * 4 : place * 4 + 4] if body is not None}
            assert len(got) <= 1, "two different answers under one key"
            answered += len(got)
        for bill in await road.bills():
            if bill["charge_nano_usd"]:
                charges[bill["id"]] = bill["charge_nano_usd"]
        assert len(charges) == answered

    on_the_road(tmp_path, story)
