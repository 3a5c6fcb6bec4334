"""Three workers count as one: a token's limits, its revocation, and what a killed worker held."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from wayside import MODEL, Road, chat, endpoint_row, get, post, road, soon
from wire_site import Answer, Client

from waypost.domain.requests import COUNT_BITS, WRITER_BITS, request_number

pytestmark = pytest.mark.keeps_sockets  # the router keeps its free connections to the providers

WORKERS = 3
AT_ONCE = 64
PACED = "pace=0.01"
REVOKED_SECONDS_MAX = 1.0


@pytest.fixture(scope="module")
def crew(tmp_path_factory) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("crew")
    with road(folder, endpoint_row(MODEL, "alpha"), "--workers", str(WORKERS), slugs=("alpha",)) as running:
        yield running


@pytest.fixture(autouse=True)
def _well_again(crew) -> Iterator[None]:
    yield
    crew.faults(alpha="")


@asynccontextmanager
async def crowd(crew: Road, count: int = AT_ONCE) -> AsyncIterator[list[Client]]:
    """Connections that are open, to several workers, so that what they ask comes to all at the same moment.

    Where a few are spread by chance, now and then one worker has them all: then others are opened.
    """
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        while True:
            clients = [await stack.enter_async_context(crew.client(limit=1 << 20)) for _ in range(count)]
            if len(workers_of(await all_ask(clients, get(crew.token, "/live")))) > 1:
                break
        yield clients


async def all_ask(clients: list[Client], request: bytes) -> list[Answer]:
    return list(await asyncio.gather(*(client.ask(request) for client in clients)))


def workers_of(answers: list[Answer]) -> set[int]:
    """Which workers answered, as the request ids tell."""
    numbers = [request_number(answer.headers["x-request-id"]) or 0 for answer in answers]
    return {number >> COUNT_BITS & ((1 << WRITER_BITS) - 1) for number in numbers}


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def check_refusals(answers: list[Answer], limit: str, *, by_minute: bool) -> None:
    for answer in answers:
        if answer.status == 429:
            error = json.loads(answer.body)["error"]
            assert (error["code"], error["limit"]) == ("rate_limited", limit)
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert ("ratelimit" in answer.headers) == ("ratelimit-policy" in answer.headers) == by_minute


def shares_of(answer: Answer) -> tuple[int, str]:
    """What the headers say is left, and of what."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return int(headers["ratelimit"].partition("r=")[2].partition(";")[0]), headers["ratelimit-policy"]


def within_a_minute(attempt) -> None:
    """Limits are by the calendar's minute: what was asked across its end is asked again."""
    while True:
        minute = time.time() // 60  # noqa: TID251 (the minute that the limits go by)
        try:
            attempt()
        except AssertionError:
            if time.time() // 60 == minute:  # noqa: TID251
                raise
        else:
            return


@pytest.mark.parametrize("limit", [1, 10, 40])
def test_requests_a_minute_are_granted_exactly(crew, limit: int) -> None:
    def attempt() -> None:
        token = crew.waypost.new_token(limits={"requests_per_minute": limit})

        async def story() -> None:
            async with crowd(crew) as clients:
                answers = await all_ask(clients, post(token, chat(stream=False)))
                again = await all_ask(clients[:8], post(token, chat(stream=False)))
            assert statuses(answers) == {200: limit, 429: AT_ONCE - limit}
            assert statuses(again) == {429: 8}
            check_refusals([*answers, *again], "requests_per_minute", by_minute=True)
            shares = [shares_of(answer) for answer in answers]
            assert {policy for _, policy in shares} == {f'"fixed window";"requests";q={limit};w=60'}
            assert all(0 <= left < limit for left, _ in shares)

        crew.run(story())

    within_a_minute(attempt)


def test_tokens_a_minute_are_granted_exactly(crew) -> None:
    crew.faults(alpha=PACED)
    body = chat(prompt="Count to 30", max_tokens=100)
    one = len(json.dumps(body)) // 4 + 100 + 2  # what a call may come to, as the limits count it: 8 for the message

    def attempt() -> None:
        token = crew.waypost.new_token(limits={"tokens_per_minute": one * 10 + one // 2})

        async def story() -> None:
            async with crowd(crew) as clients:
                answers = await all_ask(clients, post(token, body))
            assert statuses(answers) == {200: 10, 429: AT_ONCE - 10}
            check_refusals(answers, "tokens_per_minute", by_minute=True)

        crew.run(story())

    within_a_minute(attempt)


def test_unused_tokens_come_back_within_the_minute(crew) -> None:
    body = chat(prompt="Count to 2", max_tokens=400, stream=False)

    def attempt() -> None:
        token = crew.waypost.new_token(limits={"tokens_per_minute": 1000})

        async def story() -> None:
            async with crew.client() as client:
                answers = [await client.ask(post(token, body)) for _ in range(20)]
            assert statuses(answers) == {200: 20}, "each reserved 400 and used some ten"

        crew.run(story())

    within_a_minute(attempt)


def test_streams_at_once_are_granted_exactly_and_given_back(crew) -> None:
    crew.faults(alpha=PACED)
    token = crew.waypost.new_token(limits={"streams_at_once": 5})

    async def story() -> None:
        async with crowd(crew) as clients:
            for _ in range(3):
                answers = await all_ask(clients, post(token, chat(prompt="Count to 20")))
                assert statuses(answers) == {200: 5, 429: AT_ONCE - 5}
                check_refusals(answers, "streams_at_once", by_minute=False)

    crew.run(story())


def test_streams_of_clients_that_left_are_given_back(crew) -> None:
    crew.faults(alpha="stalls=3")
    token = crew.waypost.new_token(limits={"streams_at_once": 4})

    async def hold(count: int) -> None:
        async with crowd(crew, count) as clients:
            for client in clients:
                client.send(post(token, chat()))
            await asyncio.gather(*(client.head() for client in clients))

    async def story() -> None:
        for _ in range(5):
            await hold(4)
            await soon(lambda: crew["alpha"].streams == 0)
        crew["alpha"].set_faults("")
        give_up = time.monotonic() + 5
        async with crowd(crew, 4) as clients:
            # What a client left is given back when its waybill is on the disk, a little after its provider is let go.
            while (seen := statuses(await all_ask(clients, post(token, chat())))) != {200: 4}:
                assert time.monotonic() < give_up, seen

    crew.run(story())


def test_a_revoked_token_is_refused_within_a_second_in_every_worker(crew) -> None:
    secret = crew.waypost.new_token(name="to be revoked")
    started: list[float] = []
    refused: set[int] = set()
    done = asyncio.Event()

    async def caller(client: Client) -> None:
        while not done.is_set():
            began = time.monotonic()
            answer = await client.ask(post(secret, chat(stream=False)))
            if answer.status == 200:
                started.append(began)
            else:
                assert json.loads(answer.body)["error"]["code"] == "token_revoked"
                refused.update(workers_of([answer]))
            await asyncio.sleep(0.005)

    async def story() -> tuple[float, float]:
        async with crowd(crew, 24) as clients:
            callers = [asyncio.create_task(caller(client)) for client in clients]
            await soon(lambda: len(started) > 50)
            began = time.monotonic()
            await asyncio.to_thread(revoke, crew, "to be revoked")
            over = time.monotonic()
            await soon(lambda: len(refused) >= 2)
            await asyncio.sleep(0.2)
            done.set()
            await asyncio.gather(*callers)
        return began, over

    began, over = crew.run(story())
    assert max(started) < over, "accepted after the command had returned"
    assert max(started) - began < REVOKED_SECONDS_MAX + (over - began)


def revoke(crew: Road, name: str) -> None:
    """As an operator does it, with the server running."""
    command = [sys.executable, "-m", "waypost", "tokens", "revoke", name, "--data", str(crew.folder / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_what_a_killed_worker_held_is_given_back(crew) -> None:
    crew.faults(alpha="stalls=3")
    token = crew.waypost.new_token(limits={"streams_at_once": 6})

    async def story() -> None:
        async with crowd(crew) as clients:
            for client in clients:
                client.send(post(token, chat()))
            await soon(lambda: crew["alpha"].streams == 6)
            before = set(crew.process.children)
            for pid in before:
                os.kill(pid, signal.SIGKILL)
        await soon(lambda: len(set(crew.process.children) - before) == WORKERS, 20)
        crew["alpha"].set_faults("")
        async with asyncio.timeout(20):
            while True:  # the new workers begin to serve one after the other
                try:
                    async with crowd(crew, 6) as clients:
                        answers = await all_ask(clients, post(token, chat(prompt="Count to 20")))
                    break
                except (ConnectionError, asyncio.IncompleteReadError):
                    await asyncio.sleep(0.1)
        assert statuses(answers) == {200: 6}

    crew.run(story())
