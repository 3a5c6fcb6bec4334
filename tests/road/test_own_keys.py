"""Own provider keys through the whole house: used, not charged, refused to their owner alone, and seen by nobody."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from inside import Inside, inside
from keyed_provider import BAD_KEY, keyed_provider
from wayside import chat, get, post
from wire_site import Answer

pytestmark = pytest.mark.keeps_sockets  # the router keeps its free connections to the providers
CANARY = "sk-canary-0123456789"
OPERATORS = "sk-of-the-operator"


async def ask(house: Inside, method: str, path: str, body: object = None) -> Answer:
    async with house.client() as client:
        if method == "GET":
            return await client.ask(get(house.token, path))
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: w\r\nauthorization: Bearer {house.token}\r\n"
        return await client.ask(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)


async def say(house: Inside, **fields: object) -> Answer:
    async with house.client() as client:
        return await client.ask(post(house.token, chat("acme/one", "hello", max_tokens=50, stream=False, **fields)))


async def last_bill(house: Inside) -> dict:
    return json.loads((await ask(house, "GET", "/v1/requests?limit=1")).body)["data"][0]


def settings_of(*providers) -> str:
    keys = {"alpha": 'key_env = "ALPHA_KEY"', "beta": 'key_env = "BETA_KEY"'}
    rows = (one.settings(slug, keys[slug]) for slug, one in zip(keys, providers, strict=False))
    return '[practice]\nenabled = false\n[routing]\ndefault_policy = "cheapest"\n[log]\nlevel = "debug"\n' + "".join(
        rows
    )


def test_an_own_key_is_used_and_not_charged_and_seen_nowhere(tmp_path, caplog, capfd) -> None:
    async def story() -> None:
        async with keyed_provider() as alpha, inside(tmp_path, settings_of(alpha)) as house:
            assert (await say(house)).status == 400
            put = await ask(house, "PUT", "/api/settings/provider-keys/alpha", {"key": CANARY, "label": "of the lab"})
            assert put.status == 200
            answer = await say(house)
            assert (answer.status, answer.headers["x-waypost-cost-nano-usd"]) == (200, "0")
            assert alpha.keys == [CANARY]
            bill = await last_bill(house)
            assert (bill["charge_nano_usd"], bill["usage"]["output"]) == (0, 20)
            told = [put, answer, *[await ask(house, "GET", path) for path in PATHS]]
            async with house.client() as client:
                told.append(await client.ask(post(house.token, chat("acme/one"), "/v1/explain")))
            assert all(CANARY.encode() not in reply.body for reply in told)
            assert (await ask(house, "DELETE", "/api/settings/provider-keys/alpha")).status == 200
            assert (await say(house)).status == 400

    with caplog.at_level(logging.DEBUG):
        asyncio.run(story())
    assert CANARY not in caplog.text + "".join(capfd.readouterr())
    assert all(CANARY.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


PATHS = (
    "/v1/requests?limit=10",
    "/api/settings/provider-keys",
    "/api/settings/provider-keys/alpha",
    "/v1/models",
    "/metrics",
    "/api/whoami-v2",
)


def test_a_refused_own_key_is_the_callers_403_and_leaves_the_operators_alone(tmp_path, caplog) -> None:
    async def story() -> None:
        environment = {"ALPHA_KEY": OPERATORS, "BETA_KEY": OPERATORS}
        async with (
            keyed_provider() as alpha,
            keyed_provider() as beta,
            inside(tmp_path, settings_of(alpha, beta), environment) as house,
        ):
            await ask(house, "PUT", "/api/settings/provider-keys/alpha", {"key": BAD_KEY, "label": "old one"})
            for _ in range(7):
                answer = await say(house)
                error = json.loads(answer.body)["error"]
                assert (answer.status, error["code"], error["provider"]) == (403, "own_key_refused", "alpha")
                assert "old one" in answer.body.decode()
                assert BAD_KEY not in answer.body.decode()
            assert (alpha.keys, beta.keys) == ([BAD_KEY], [])
            assert (await ask(house, "DELETE", "/api/settings/provider-keys/alpha")).status == 200
            assert (await say(house)).status == 200
            assert alpha.keys == [BAD_KEY, OPERATORS]

    asyncio.run(story())
    assert BAD_KEY not in caplog.text


def test_a_better_key_is_used_by_the_very_next_call(tmp_path) -> None:
    async def story() -> None:
        async with keyed_provider() as alpha, inside(tmp_path, settings_of(alpha)) as house:
            for key, status in ((BAD_KEY, 403), (CANARY, 200)):
                await ask(house, "PUT", "/api/settings/provider-keys/alpha", {"key": key})
                assert (await say(house)).status == status
            assert alpha.keys == [BAD_KEY, CANARY]

    asyncio.run(story())
