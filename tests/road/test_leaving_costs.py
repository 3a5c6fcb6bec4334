"""A client goes away at each point of a call, before providers that account for that in three ways: what it costs."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from itertools import count

import pytest
from abacus import Rate, cost
from inside import inside
from pausing_provider import USAGE, PausingProvider
from rawserver import raw_server
from wayside import MODEL, chat, endpoint_row, get, post, provider_rows, soon
from wire_site import within

from waypost.providers.drains import DRAIN_SECONDS_MAX, DRAINS_MAX, Drains
from waypost.store.verify import verify
from waypost.wire.dialects import read_chat

pytestmark = pytest.mark.keeps_sockets
RATE = Rate(100_000_000, 300_000_000, None, None, 0)
CANCELLED_SECONDS_MAX = 0.1
STREAMED = {"head": 0, "role": 0, " two": 2, " four": 4, "finish": 6, "done": 7}
"""The piece before which the provider stands still → frames that the client has by then."""
WHOLE = {"head": 0, "body": 0, "half": 0, "end": 0}
POINTS = [(True, at, said) for at, said in STREAMED.items()] + [(False, at, said) for at, said in WHOLE.items()]
HEARD = {" two": b'"one"', " four": b'" three"', "finish": b'" five"', "done": b'"stop"'}
PROVIDERS = {"stops": (True, True), "reports": (False, True), "never_reports": (False, False)}
"""Stops billing when it is cancelled; tells usage at its end."""
TAGS = count()


class Lane:
    """One kind of provider, a serving process in front of it, and callers who leave."""

    def __init__(self, running, provider, address) -> None:
        self.running, self.provider, self.address = running, provider, address

    async def leave_at(self, at: str, *, stream: bool) -> str:
        """Gives the tag of the call."""
        tag = f"tag-{next(TAGS)}"
        self.provider.pause(at)
        async with self.running.client() as client:
            lines = (f"x-hf-session-id: {tag}",)
            client.send(post(self.running.token, body_of(stream=stream), "/v1/chat/completions", *lines))
            await within(self.provider.reached.wait())
            if stream and at in HEARD:
                await within(client.reader.readuntil(HEARD[at]))
            await asyncio.sleep(0.02)  # until what the provider says has come to the router
        return tag

    async def bill(self, tag: str) -> dict:
        async with self.running.client() as client, asyncio.timeout(5):
            while True:
                found = await client.ask(get(self.running.token, f"/v1/requests?session={tag}"))
                if data := json.loads(found.body)["data"]:
                    return data[0]
                await asyncio.sleep(0.005)

    @property
    def drains(self) -> Drains:
        return self.running.serving._watch.drains

    @drains.setter
    def drains(self, drains: Drains) -> None:
        self.running.serving._watch.drains = drains


def body_of(*, stream: bool) -> dict:
    return chat(f"{MODEL}:alpha", "Count to five", stream=stream, max_tokens=50)


@asynccontextmanager
async def lane_of(folder, kind: str):
    stops, usage = PROVIDERS[kind]
    provider = PausingProvider(usage=usage)
    async with raw_server(provider) as server:
        rows = provider_rows({"alpha": f"http://127.0.0.1:{server.address.port}/v1"}, stops=stops)
        async with inside(folder, rows + endpoint_row(MODEL, "alpha")) as running:
            yield Lane(running, provider, server.address)
            assert running.serving._reader.ask(lambda sql: list(verify(sql))) == []


def expected(kind: str, said: int, *, stream: bool) -> tuple[int, bool]:
    """What the table says, in nano-USD, and whether it is an estimate."""
    told = said == STREAMED["done"] and PROVIDERS[kind][1]
    if kind == "reports" or told:
        return cost(RATE, USAGE["prompt_tokens"], 0, USAGE["completion_tokens"]), False
    prompt = read_chat(json.dumps(body_of(stream=stream)).encode()).input_tokens_expected
    return cost(RATE, prompt, 0, said), True


@pytest.mark.parametrize("kind", PROVIDERS)
def test_who_leaves_pays_what_the_table_says(run, tmp_path, kind) -> None:
    async def one(lane: Lane, at: str, said: int, *, stream: bool) -> None:
        provider = lane.provider
        tag = await lane.leave_at(at, stream=stream)
        if kind == "stops":
            await within(provider.left.wait(), CANCELLED_SECONDS_MAX)
        else:
            await soon(lambda: len(lane.drains) == 1)
            assert not provider.left.is_set(), "it bills on, so it must be heard to its end"
            provider.go_on.set()
            await within(provider.finished.wait())
        bill = await lane.bill(tag)
        charge, estimated = expected(kind, said, stream=stream)
        found = (bill["outcome"], bill["charge_nano_usd"], bill["usage"].get("estimated", False))
        assert found == ("left", charge, estimated), (at, stream, bill)
        assert 0 < charge <= bill["hold_nano_usd"]
        assert len(lane.drains) == 0
        provider.go_on.set()

    async def story() -> None:
        async with lane_of(tmp_path, kind) as lane:
            for stream, at, said in POINTS:
                await one(lane, at, said, stream=stream)

    run(story(), 60)


def test_who_leaves_before_its_call_went_out_pays_nothing(run, tmp_path) -> None:
    async def story() -> None:
        async with lane_of(tmp_path, "reports") as lane:
            async with lane.running.client() as client:
                client.send(post(lane.running.token, body_of(stream=True))[:-5])
                await asyncio.sleep(0.02)
            async with lane.running.client() as client:
                found = await client.ask(get(lane.running.token, "/v1/requests"))
            assert json.loads(found.body)["data"] == []
            assert not lane.provider.reached.is_set()

    run(story())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("at", ["head", "role", " two"])
def test_an_answer_that_comes_to_no_end_is_read_for_no_longer_than_the_limit(run, tmp_path, at, stream) -> None:
    at = at if stream else {"head": "head", "role": "body", " two": "half"}[at]

    async def story() -> None:
        async with lane_of(tmp_path, "reports") as lane:
            lane.drains = Drains(seconds_max=0.3)
            began = time.perf_counter()
            tag = await lane.leave_at(at, stream=stream)
            await within(lane.provider.left.wait())
            assert 0.3 <= time.perf_counter() - began < 1.0
            bill = await lane.bill(tag)
            assert bill["charge_nano_usd"] == expected("stops", STREAMED[at] if stream else 0, stream=stream)[0]
            assert bill["outcome"] == "left"
            lane.provider.go_on.set()

    run(story())


def test_so_many_are_read_on_at_once_and_no_more(run, tmp_path) -> None:
    async def story() -> None:
        async with lane_of(tmp_path, "reports") as lane:
            lane.drains = Drains(most=2)
            kept = []
            for _ in range(2):
                kept.append(await lane.leave_at(" two", stream=True))
                await soon(lambda: len(lane.drains) == len(kept))
            go_on = lane.provider.go_on
            tag = await lane.leave_at(" two", stream=True)
            await within(lane.provider.left.wait(), CANCELLED_SECONDS_MAX)
            bill = await lane.bill(tag)
            assert bill["charge_nano_usd"] == expected("stops", 2, stream=True)[0]
            assert len(lane.drains) == 2
            go_on.set()
            lane.drains.close()
            for one in kept:
                assert (await lane.bill(one))["charge_nano_usd"] > 0

    run(story())


def test_shutting_down_does_not_wait_for_answers_that_nobody_reads(run, tmp_path) -> None:
    async def story() -> None:
        async with lane_of(tmp_path, "reports") as lane:
            tag = await lane.leave_at(" two", stream=True)
            await soon(lambda: len(lane.drains) == 1)
            began = time.perf_counter()
            assert await lane.running.serving.drain() == 0
            assert time.perf_counter() - began < 0.5
            [found] = lane.running.serving._reader.ask(lambda sql: sql.rows("SELECT state, charge_nano_usd FROM calls"))
            assert found == (1, expected("stops", 2, stream=True)[0]), tag
            lane.provider.go_on.set()

    run(story())


def test_the_limits_are_those_of_the_design() -> None:
    assert (DRAINS_MAX, DRAIN_SECONDS_MAX) == (512, 60.0)
