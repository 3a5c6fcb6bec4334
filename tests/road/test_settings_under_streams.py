"""The settings change while streams run: what is new holds within two seconds, and no stream notices."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from wayside import MODEL, Road, chat, endpoint_row, get, post, provider, provider_rows, road, spoken
from wire_site import Answer

pytestmark = [
    pytest.mark.keeps_sockets,  # the router keeps its free connections to the providers
    pytest.mark.timeout(600),  # for the long forms
]

EFFECT_SECONDS_MAX = 2.0
NOT_USED = "cannot be used"
STREAMS = 12
KEYED = '[providers.keyed]\nbase_url = "{url}"\nkey_env = "{key}"\n'
ENVIRONMENT = {"OLD_KEY": "old-key-12345", "NEW_KEY": "new-key-12345"}
PROFILES = (provider("alpha"), provider("beta"), provider("keyed", key=ENVIRONMENT["NEW_KEY"]))
FRUGAL = "[routing]\nexplore_share = 0\n"
ONE, KEPT, NEW = endpoint_row(MODEL, "alpha"), endpoint_row("acme/kept", "keyed"), endpoint_row("acme/new", "beta")
BROKEN = ["[routing]\nretry_share = 7\n", "[providers.alpha\n", "[modles]\n", None]
"""Contents of the file that cannot be used; None: there is no file."""


def settings_of(live: Road, key: str = "OLD_KEY", more: str = "") -> str:
    urls = {slug: live[slug].base_url for slug in ("alpha", "beta")}
    return provider_rows(urls) + KEYED.format(url=live["keyed"].base_url, key=key) + FRUGAL + more


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Road]:
    """With two workers, each of which must see every change."""
    folder = tmp_path_factory.mktemp("live")
    with road(folder, "", "--workers", "2", profiles=PROFILES, environment=ENVIRONMENT) as running:
        yield running


@pytest.fixture
def live(server) -> Road:
    """With the same settings at the start of every test."""
    server.settings(settings_of(server, more=ONE + KEPT + endpoint_row("acme/start", "alpha")))
    server.run(holds(server, lambda: working(server, "acme/start")))
    server.settings(settings_of(server, more=ONE + KEPT))
    server.run(holds(server, lambda: gone(server, "acme/start")))
    return server


async def holds(live: Road, true: Callable[[], Awaitable[bool]]) -> float:
    """Wait until something is so eight times in a row, which is in every worker; gives the seconds it took."""
    began, times = time.perf_counter(), 0
    while times < 8:
        times = times + 1 if await true() else 0
        assert time.perf_counter() - began < 10, f"not so after 10 s\n{live.log}"
        await asyncio.sleep(0.02)
    return time.perf_counter() - began - 8 * 0.03


async def working(live: Road, model: str) -> bool:
    return (await live.call(chat(model, stream=False))).status == 200


async def bill_of(live: Road, answer: Answer) -> dict:
    async with live.client() as client:
        return json.loads((await client.ask(get(live.token, f"/v1/requests/{answer.headers['x-request-id']}"))).body)


@asynccontextmanager
async def open_streams(live: Road, seconds: float = 2.5) -> AsyncIterator[None]:
    """Streams that run for about so long; in the end all must have come whole."""
    live["alpha"].set_faults(f"pace={seconds / 40}")

    async def one() -> None:
        answer = await live.call(chat(MODEL, "Count to 20"))
        said = spoken(answer.body)
        assert said.done, said.error
        assert said.text.endswith("20")

    streams = [asyncio.create_task(one()) for _ in range(STREAMS)]
    while live["alpha"].streams < STREAMS:
        await asyncio.sleep(0.01)
    live["alpha"].set_faults("")
    try:
        yield
        assert live["alpha"].streams == STREAMS, "the streams were over before anything changed"
    finally:
        await asyncio.gather(*streams)


def test_a_provider_a_key_and_a_price_change_within_two_seconds_and_no_stream_is_dropped(live) -> None:
    async def story() -> None:
        refused = await live.call(chat("acme/kept", stream=False))
        assert json.loads(refused.body)["error"]["code"] == "provider_refused_key"
        before = await bill_of(live, await live.call(chat(stream=False)))
        dearer = ONE.replace('"0.30"', '"3.00"') + KEPT + NEW
        async with open_streams(live):
            live.settings(settings_of(live, "NEW_KEY", dearer))
            took = await holds(live, lambda: working(live, "acme/new"))
            assert await working(live, "acme/kept"), "the new key is not in use"
            after = await bill_of(live, await live.call(chat(stream=False)))
        assert took < EFFECT_SECONDS_MAX
        assert before["usage"] == after["usage"]
        assert after["charge_nano_usd"] > before["charge_nano_usd"] > 0
        assert after["price_version"] != before["price_version"]

    live.run(story())


def test_the_same_in_one_process(tmp_path) -> None:
    async def story(live: Road) -> None:
        async with open_streams(live):
            live.settings(settings_of(live, more=ONE + NEW))
            assert await holds(live, lambda: working(live, "acme/new")) < EFFECT_SECONDS_MAX

    with road(tmp_path, ONE.replace("alpha", "beta"), profiles=PROFILES, environment=ENVIRONMENT) as live:
        live.settings(settings_of(live, more=ONE))  # at the very start, before anybody looks for changes
        live.run(holds(live, lambda: served_by(live, "alpha")))
        live.run(story(live))


async def served_by(live: Road, slug: str) -> bool:
    return (await live.call(chat(MODEL, stream=False))).headers.get("x-inference-provider") == slug


def test_a_provider_that_is_taken_away_serves_its_streams_to_the_end(live) -> None:
    async def story() -> None:
        async with open_streams(live):
            live.settings(settings_of(live, more=KEPT))
            await holds(live, lambda: gone(live, MODEL))

    live.run(story())


async def gone(live: Road, model: str) -> bool:
    return (await live.call(chat(model, stream=False))).status == 400


def test_settings_that_cannot_be_used_change_nothing_and_are_told_in_one_line(live, full) -> None:
    workers = max(1, len(live.process.children))

    async def one(broken: str | None) -> None:
        before = live.log.count(NOT_USED)
        if broken is None:
            (live.folder / "waypost.toml").unlink()
        else:
            live.settings(broken)
        while live.log.count(NOT_USED) < before + workers:
            await asyncio.sleep(0.02)
        assert await working(live, MODEL)
        await asyncio.sleep(1.1)  # one more look at the same broken file
        assert live.log.count(NOT_USED) == before + workers

    async def story() -> None:
        bad = BROKEN if full else BROKEN[-1:]
        async with open_streams(live, 4.0 * len(bad)):
            for broken in bad:
                await one(broken)
        live.settings(settings_of(live, more=ONE + KEPT + NEW))
        await holds(live, lambda: working(live, "acme/new"))

    live.run(story())
    told = [line for line in live.log.splitlines() if NOT_USED in line]
    assert all(line.startswith("ERROR") for line in told)


def test_many_changes_drop_nothing(live, full) -> None:
    changes = 30 if full else 2

    async def story() -> None:
        async with open_streams(live, changes * 1.3 + 1):
            for number in range(changes):
                live.settings(settings_of(live, more=ONE + endpoint_row(f"acme/new{number}", "beta")))
                await holds(live, lambda: working(live, f"acme/new{number}"))  # noqa: B023 (called here and now)

    live.run(story(), 120)


def test_a_request_in_a_kept_connection_sees_the_new_settings_too(live) -> None:
    async def story() -> None:
        async with live.client() as client:
            assert (await client.ask(post(live.token, chat("acme/new", stream=False)))).status == 400
            live.settings(settings_of(live, more=NEW))
            await holds(live, lambda: working(live, "acme/new"))
            assert (await client.ask(post(live.token, chat("acme/new", stream=False)))).status == 200

    live.run(story())
