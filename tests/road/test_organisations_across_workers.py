"""What is said about an organisation holds in every worker when the command that says it returns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from wayside import MODEL, Road, chat, endpoint_row, post, road
from wire_site import Answer

from waypost.domain.requests import COUNT_BITS, WRITER_BITS, request_number
from waypost.store.visitor import visit

CLIENTS = 24


@pytest.fixture(scope="module")
def crew(tmp_path_factory) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("crew")
    with road(folder, endpoint_row(MODEL, "alpha"), "--workers", "2", slugs=("alpha",)) as running:
        yield running


def worker_of(answer: Answer) -> int:
    """As the request id tells."""
    number = request_number(answer.headers["x-request-id"]) or 0
    return number >> COUNT_BITS & ((1 << WRITER_BITS) - 1)


async def said(crew: Road, bill_to: str) -> tuple[Any, ...]:
    """What every one of many callers is told at the same moment: payer, code, why endpoints were left out."""
    request = post(crew.token, chat(), "/v1/explain", f"x-hf-bill-to: {bill_to}")
    while True:
        async with asyncio.timeout(20), AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(crew.client(limit=1 << 20)) for _ in range(CLIENTS)]
            answers = await asyncio.gather(*(client.ask(request) for client in clients))
        if len({worker_of(answer) for answer in answers}) > 1:
            break
    told = set()
    for answer in answers:
        bill = json.loads(answer.body)
        excluded = (bill["plan"] or {"excluded": []})["excluded"]
        told.add((bill["payer"] and bill["payer"]["name"], bill["code"], *(one["reason"] for one in excluded)))
    (one,) = told
    return one


def test_every_worker_knows_who_pays_and_what_for_when_the_command_returns(crew) -> None:
    user = crew.waypost.running.user

    def told_after(command: str, bill_to: str = "acme", **args: Any) -> tuple[Any, ...]:
        with visit(crew.folder / "data") as run:
            run(command, args)
        return crew.run(said(crew, bill_to))

    member = {"organisation": "acme", "user": user}
    disabled = {"disabled": ["alpha"]}
    assert told_after("org.create", name="acme", included=10**10) == (None, "not_a_member")
    assert told_after("member.set", **member) == (None, "organisation_forbids")
    assert told_after("member.set", **member, role="write") == ("acme", None)
    assert told_after("org.update", name="acme", preferences=disabled) == (
        "acme",
        "model_not_supported",
        "disabled_by_organisation",
    )
    assert told_after("org.update", name="acme", preferences={}) == ("acme", None)
    assert told_after("user.update", user, name=user, preferences={"payer": "acme"}) == (user, None)
    assert told_after("member.remove", **member) == (None, "not_a_member")
