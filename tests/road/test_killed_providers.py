"""A provider is killed at every bad moment: nobody hangs, nothing is glued together, the waybill tells the truth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from wayside import MODEL, Road, chat, endpoint_row, get, post, road, soon, spoken
from wire_site import within

pytestmark = [
    pytest.mark.keeps_sockets,  # the router keeps its free connections to the providers
    pytest.mark.timeout(600),  # for the long forms
]

PREFERRED = f"{MODEL}:preferred"
SLUGS = ("alpha", "beta", "gamma")
PACED = "pace=0.01"


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Iterator[Road]:
    rows = "[routing]\nexplore_share = 0\nbreaker_failures = 1000\n" + "".join(endpoint_row(MODEL, s) for s in SLUGS)
    with road(tmp_path_factory.mktemp("three"), rows, slugs=SLUGS) as running:
        yield running


@pytest.fixture(autouse=True)
def _well_again(three) -> Iterator[None]:
    yield

    async def mend() -> None:
        for server in three.providers.values():
            server.set_faults("")
            await server.close()
            await server.open()

    three.run(mend())


async def bill_of(three: Road, request_id: str) -> dict:
    async with three.client() as client:
        return json.loads((await client.ask(get(three.token, f"/v1/requests/{request_id}"))).body)


async def prefer(three: Road, order: list[str]) -> None:
    """Set the caller's own order."""
    request = post(three.token, {"order": order}, "/api/settings/inference-providers")
    async with three.client() as client:
        assert (await client.ask(request.replace(b"POST", b"PUT", 1))).status == 200


def tried(bill: dict) -> list[tuple]:
    return [(one["provider"], one["status"], one["code"]) for one in bill["attempts"]]


def test_killed_in_mid_stream_it_is_one_error_event_and_nobody_else_is_asked(three) -> None:
    async def story() -> None:
        three["alpha"].set_faults(PACED)
        before = three["beta"].desk.calls
        async with three.client() as client:
            client.send(post(three.token, chat(PREFERRED, "Count to 90")))
            status, headers = await client.head()
            await within(client.reader.readuntil(b'" 5"'))
            await within(client.reader.readuntil(b"\r\n"))  # the end of that chunk
            await three["alpha"].close()
            said = spoken(await client.chunks())
        bill = await bill_of(three, headers["x-request-id"])
        assert status == 200
        assert said.error["code"] == "upstream_incomplete"
        assert said.error["request_id"] == headers["x-request-id"]
        assert said.sources <= {"alpha"}
        assert three["beta"].desk.calls == before
        assert (bill["outcome"], bill["status"], bill["code"]) == ("failed", 200, "upstream_incomplete")
        assert bill["served_by"] == "alpha"
        assert tried(bill) == [("alpha", 200, "upstream_incomplete")]

    three.run(story())


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_killed_before_its_first_word_the_next_one_answers_whole(three, stream: bool) -> None:
    async def story() -> None:
        three["alpha"].set_faults("slow_first_word=5")
        calling = asyncio.create_task(three.call(chat(PREFERRED, stream=stream)))
        await soon(lambda: three["alpha"].streams == 1)
        await three["alpha"].close()
        answer = await calling
        bill = await bill_of(three, answer.headers["x-request-id"])
        assert answer.status == 200
        assert answer.headers["x-inference-provider"] == "beta"
        assert answer.headers["x-waypost-attempts"] == "2"
        if stream:
            assert spoken(answer.body).sources == {"beta"}
            assert spoken(answer.body).done
        assert bill["outcome"] == "delivered"
        assert tried(bill) == [("alpha", 0, "provider_failed"), ("beta", 200, None)]
        assert "closed the connection" in bill["attempts"][0]["why"] or "reset" in bill["attempts"][0]["why"]

    three.run(story())


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_killed_in_the_middle_of_a_whole_body_or_before_any_word_counts_as_nothing_said(three, stream: bool) -> None:
    async def story() -> None:
        three["alpha"].set_faults("head_then_silent" if stream else "stalls")
        calling = asyncio.create_task(three.call(chat(PREFERRED, stream=stream)))
        await soon(lambda: three["alpha"].streams == 1)
        await asyncio.sleep(0.05)  # so that head and half a body are on their way
        await three["alpha"].close()
        answer = await calling
        bill = await bill_of(three, answer.headers["x-request-id"])
        assert answer.headers["x-inference-provider"] == "beta"
        assert tried(bill) == [("alpha", 200, "provider_failed"), ("beta", 200, None)]

    three.run(story())


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_restarted_between_calls_it_serves_again_and_nobody_notices(three, stream: bool) -> None:
    async def story() -> None:
        for _ in range(5):
            answer = await three.call(chat(PREFERRED, stream=stream))
            bill = await bill_of(three, answer.headers["x-request-id"])
            assert tried(bill) == [("alpha", 200, None)]
            await three["alpha"].close()
            await three["alpha"].open()

    three.run(story())


def test_a_pooled_connection_that_dies_without_a_byte_is_tried_once_more_and_the_waybill_says_so(three) -> None:
    async def story() -> None:
        three["alpha"].set_faults("reset_reused")
        for repeats in (0, 1):
            answer = await three.call(chat(PREFERRED))
            bill = await bill_of(three, answer.headers["x-request-id"])
            assert tried(bill) == [("alpha", 200, None)]
            assert bill["attempts"][0]["repeats"] == repeats

    three.run(story())


def test_a_dead_provider_costs_a_call_nothing_but_an_attempt(three) -> None:
    async def story() -> None:
        await three["alpha"].close()
        answer = await three.call(chat(PREFERRED))
        bill = await bill_of(three, answer.headers["x-request-id"])
        assert tried(bill) == [("alpha", 0, "provider_failed"), ("beta", 200, None)]
        assert "refused" in bill["attempts"][0]["why"]
        assert bill["timing"]["ms"] < 1000

    three.run(story())


def test_the_order_of_the_plan_is_the_order_of_the_attempts(three) -> None:
    async def story() -> None:
        order = ["gamma", "alpha", "beta"]
        await prefer(three, order)
        await three["gamma"].close()
        three["alpha"].set_faults("status_503")
        answer = await three.call(chat(PREFERRED))
        await prefer(three, [])
        bill = await bill_of(three, answer.headers["x-request-id"])
        assert bill["plan"]["order"] == order
        assert tried(bill) == [
            ("gamma", 0, "provider_failed"),
            ("alpha", 503, "provider_failed"),
            ("beta", 200, None),
        ]

    three.run(story())


def test_where_all_are_dead_each_attempt_is_told(three) -> None:
    async def story() -> None:
        for server in three.providers.values():
            await server.close()
        answer = await three.call(chat(PREFERRED))
        bill = await bill_of(three, answer.headers["x-request-id"])
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["code"]) == (502, "provider_failed")
        assert [one["provider"] for one in error["attempts"]] == list(SLUGS)
        assert all(slug in error["why"] for slug in SLUGS)
        assert (bill["outcome"], bill["status"], bill["code"]) == ("failed", 502, "provider_failed")
        assert tried(bill) == [(slug, 0, "provider_failed") for slug in SLUGS]
        assert bill["served_by"] is None

    three.run(story())


def test_a_provider_named_by_the_caller_is_never_replaced(three) -> None:
    async def story() -> None:
        await three["beta"].close()
        answer = await three.call(chat(f"{MODEL}:beta"))
        bill = await bill_of(three, answer.headers["x-request-id"])
        assert answer.status == 502
        assert tried(bill) == [("beta", 0, "provider_failed")]

    three.run(story())


def test_killed_under_load_every_client_gets_one_whole_answer_or_one_error(three, full) -> None:
    rounds, streams = (10, 200) if full else (2, 60)
    readers = asyncio.Semaphore(8)

    async def one() -> None:
        answer = await three.call(chat(MODEL, "Count to 40"))
        said = spoken(answer.body)
        async with readers:
            bill = await bill_of(three, answer.headers["x-request-id"])
        assert answer.status == 200
        assert len(said.sources) == 1, "words of two providers"
        assert said.done == (said.error is None)
        if said.done:
            assert said.text == ", ".join(map(str, range(1, 41)))
            assert (bill["outcome"], bill["code"]) == ("delivered", None)
        else:
            assert (bill["outcome"], bill["code"]) == ("failed", said.error["code"])
            assert said.text in ", ".join(map(str, range(1, 41)))
        assert {bill["served_by"]} == said.sources
        assert tried(bill)[-1] == (bill["served_by"], 200, bill["code"])

    async def story() -> None:
        for slug in SLUGS:
            three[slug].set_faults(PACED)
        for _ in range(rounds):
            calls = [asyncio.create_task(one()) for _ in range(streams)]
            for slug in SLUGS[:2]:
                await asyncio.sleep(0.15)
                await three[slug].close()
                await three[slug].open()
            await asyncio.gather(*calls)
        assert await three.gauge("waypost_in_flight") == 1  # the one that asks

    three.run(story())
