"""Every fault a practice provider knows, streamed and whole, alone and with another provider behind it.

What the client gets, and what the waybill says of it. The table names every fault of `practice.faults.FAULTS`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import pytest
from wayside import Road, chat, endpoint_row, get, road, spoken

from waypost.practice.faults import FAULTS

pytestmark = [
    pytest.mark.keeps_sockets,  # the router keeps its free connections to the providers
    pytest.mark.timeout(600),  # for the long forms
]

AT_ONCE = 8
"""Calls under way at the same time."""


class Seen(NamedTuple):
    """How a call ends at a provider that has the fault, with nobody else to ask."""

    status: int = 200
    """What the client gets before the first word."""
    code: str | None = None
    """Of the problem, before or after the first word."""
    said: int = 200
    """The provider's own status, as the waybill has it; 0 where none came."""
    tries_next: bool = True
    """Whether another provider is asked where there is one."""

    @property
    def begun(self) -> bool:
        return self.status == 200


WELL = Seen()
CUT = Seen(200, "upstream_incomplete")
BROKEN = Seen(200, "upstream_error")
FAILED = Seen(502, "provider_failed")
MUTE = FAILED._replace(said=0)
LATE = Seen(504, "provider_timeout", 0)
STUCK = LATE._replace(said=200)
OUT_OF_TIME = LATE._replace(tries_next=False)
"""A whole answer has no deadline of its own: the call's is over with it."""
OUT_OF_TIME_INSIDE = OUT_OF_TIME._replace(said=200)


def answered(status: int) -> Seen:
    return FAILED._replace(said=status)


def handed_back(status: int, code: str) -> Seen:
    return Seen(status, code, status, tries_next=False)


TABLE: dict[str, tuple[Seen, Seen]] = {
    "status": (answered(500), answered(500)),
    "status_500": (answered(500), answered(500)),
    "status_503": (answered(503), answered(503)),
    "status_408": (answered(408), answered(408)),
    "rate_limited": (Seen(429, "providers_busy", 429), Seen(429, "providers_busy", 429)),
    "refuses_key": (Seen(502, "provider_refused_key", 401), Seen(502, "provider_refused_key", 401)),
    "bad_request_400": (handed_back(400, "invalid_request"), handed_back(400, "invalid_request")),
    "not_found_404": (handed_back(404, "not_found"), handed_back(404, "not_found")),
    "too_large_413": (handed_back(413, "body_too_large"), handed_back(413, "body_too_large")),
    "early_413": (handed_back(413, "body_too_large"), handed_back(413, "body_too_large")),
    "unprocessable_422": (handed_back(422, "invalid_request"), handed_back(422, "invalid_request")),
    "context_too_long": (handed_back(400, "context_too_long"), handed_back(400, "context_too_long")),
    "error_in_200": (FAILED, FAILED),
    "wrong_content_type": (FAILED, FAILED),
    "redirect": (answered(302), answered(302)),
    "empty_200": (FAILED, FAILED),
    "no_content_204": (answered(204), answered(204)),
    "header_bomb": (MUTE, MUTE),
    "gzip_stream": (FAILED, FAILED),
    "slow_first_word": (LATE, OUT_OF_TIME),
    "head_at_once": (WELL, WELL),
    "silent": (LATE, OUT_OF_TIME),
    "head_then_silent": (STUCK, OUT_OF_TIME_INSIDE),
    "close_before": (MUTE, MUTE),
    "reset_before": (MUTE, MUTE),
    "close_after_head": (FAILED, FAILED),
    "reset_after_head": (FAILED, FAILED),
    "reset_reused": (WELL, WELL),
    "cut_mid_stream": (CUT, FAILED),
    "reset_mid_stream": (CUT, FAILED),
    "unfinished": (CUT, FAILED),
    "stalls": (BROKEN, OUT_OF_TIME_INSIDE),
    "no_done": (WELL, WELL),
    "no_finish": (WELL, WELL),
    "never_ends": (WELL, OUT_OF_TIME_INSIDE),
    "late_usage": (WELL, WELL),
    "error_first_event": (FAILED, FAILED),
    "error_mid_stream": (BROKEN, WELL),
    "error_text_mid_stream": (BROKEN, WELL),
    "garbage_frame": (BROKEN, FAILED),
    "bad_utf8": (BROKEN, FAILED),
    "crlf_frames": (WELL, WELL),
    "cr_frames": (WELL, WELL),
    "multi_line_data": (WELL, WELL),
    "bom": (WELL, FAILED),
    "no_space_after_colon": (WELL, WELL),
    "other_fields": (WELL, WELL),
    "comments": (WELL, WELL),
    "empty_frames": (WELL, WELL),
    "repeats_frame": (WELL, WELL),
    "huge_event": (FAILED, FAILED),
    "huge_reply": (BROKEN, FAILED),
    "frames_after_done": (WELL, WELL),
    "two_finish_reasons": (WELL, WELL),
    "null_model": (WELL, WELL),
    "no_model": (WELL, WELL),
    "role_each_frame": (WELL, WELL),
    "usage_missing": (WELL, WELL),
    "usage_negative": (WELL, WELL),
    "usage_huge": (WELL, WELL),
    "usage_float": (WELL, WELL),
    "usage_text": (WELL, WELL),
    "usage_zero": (WELL, WELL),
    "usage_each_chunk": (WELL, WELL),
    "usage_twice": (WELL, WELL),
    "usage_with_finish": (WELL, WELL),
    "cut_at": (WELL, WELL),
    "dribble": (WELL, WELL),
    "pace": (WELL, WELL),
    "short_body": (WELL, FAILED),
    "no_length": (WELL, WELL),
    "bad_chunk": (CUT, FAILED),
    "length_and_chunked": (MUTE, MUTE),
    "garbage_head": (MUTE, MUTE),
    "more_than_asked": (WELL, WELL),
    "interim_replies": (WELL, WELL),
    "closes_unsaid": (WELL, WELL),
}
"""Fault → how a streamed call ends, and a whole one."""

ARGUMENTS = {"late_usage": "0.05", "pace": "0.005", "dribble": "7"}
"""Where the table's own argument would only cost time."""
WAITING = frozenset({"slow_first_word", "silent", "head_then_silent", "stalls", "never_ends"})
DEADLINES = "first_word_seconds_max = 0.4\nsilence_seconds_max = 0.4\ncall_seconds_max = 1.2\n"
COUNTED = "1, 2, 3, 4, 5, 6, 7, 8, 9"
ESTIMATED = frozenset({"usage_missing", "usage_negative", "usage_huge", "usage_float", "usage_text"})


def model_rows() -> str:
    """A model for every fault and way of asking, so that no call suffers from another's bad luck."""
    rows = ["[routing]\nexplore_share = 0\nbreaker_failures = 1000\n"]
    for name, stream, slugs in product(FAULTS, (True, False), (["alpha"], ["alpha", "beta"])):
        model = model_of(name, alone=len(slugs) == 1, stream=stream)
        argument = f"={ARGUMENTS[name]}" if name in ARGUMENTS else ""
        rows.append(endpoint_row(model, "alpha", f"one-at-alpha+{name}{argument}"))
        rows += [endpoint_row(model, slug) for slug in slugs[1:]]
        if name in WAITING:
            rows.append(f'[models."{model}".deadlines]\n{DEADLINES}')
    return "".join(rows)


def model_of(name: str, *, alone: bool, stream: bool) -> str:
    return f"{'alone' if alone else 'before'}/{'streamed' if stream else 'whole'}-{name}"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> Iterator[Road]:
    with road(tmp_path_factory.mktemp("faulty"), model_rows()) as running:
        yield running


def test_the_table_names_every_fault() -> None:
    assert list(TABLE) == list(FAULTS)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_fault_of_the_only_provider_is_told_as_the_table_says(faulty, stream: bool) -> None:
    async def one(name: str) -> str | None:
        expected = TABLE[name][not stream]
        answer = await faulty.call(asked(name, alone=True, stream=stream))
        bill = await waybill(faulty, answer.headers["x-request-id"])
        return trouble(name, answer, bill, expected, [(expected.said, expected.code)], stream=stream)

    assert faulty.run(all_of(one)) == []


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_another_provider_serves_where_nothing_was_said_yet_and_never_after(faulty, stream: bool) -> None:
    async def one(name: str) -> str | None:
        alone = TABLE[name][not stream]
        over = not alone.begun and alone.tries_next
        expected = WELL if over else alone
        attempts = [(alone.said, alone.code), *([(200, None)] if over else [])]
        answer = await faulty.call(asked(name, alone=False, stream=stream))
        bill = await waybill(faulty, answer.headers["x-request-id"])
        return trouble(name, answer, bill, expected, attempts, stream=stream)

    assert faulty.run(all_of(one)) == []


def asked(name: str, *, alone: bool, stream: bool) -> dict:
    padding = {"padding": "x" * 100_000} if name == "early_413" else {}
    return chat(f"{model_of(name, alone=alone, stream=stream)}:preferred", stream=stream, **padding)


async def all_of(one) -> list[str]:
    """What went wrong, for every fault in the table."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def guarded(name: str) -> str | None:
        async with gate:
            try:
                return await one(name)
            except Exception as error:
                return f"{name}: {error!r}"

    return [told for told in await asyncio.gather(*map(guarded, TABLE)) if told]


async def waybill(running: Road, request_id: str) -> dict:
    async with running.client() as client:
        answer = await client.ask(get(running.token, f"/v1/requests/{request_id}"))
    assert answer.status == 200, answer
    return json.loads(answer.body)


def trouble(name: str, answer, bill: dict, expected: Seen, attempts: list, *, stream: bool) -> str | None:
    """What differs from what was expected, as one line."""
    got, got_code, right = told(name, answer, stream=stream)
    outcome = "delivered" if expected.code is None else "failed"
    wanted = (expected.status, expected.code, outcome, expected.status, expected.code, attempts, True)
    tried = [(attempt["status"], attempt["code"]) for attempt in bill["attempts"]]
    found = (got, got_code, bill["outcome"], bill["status"], bill["code"], tried, right)
    if found != wanted:
        return f"{name}: {found} is not {wanted}; {answer.body[-300:]!r}"
    served = bill["served_by"] if expected.begun else None
    if expected.begun and (
        served != answer.headers["x-inference-provider"] or len(tried) != int(answer.headers["x-waypost-attempts"])
    ):
        return f"{name}: headers {answer.headers} and waybill {bill} differ"
    if expected is WELL and bill["usage"]["estimated"] != (name in ESTIMATED and len(attempts) == 1):
        return f"{name}: usage {bill['usage']}"
    return None


def told(name: str, answer, *, stream: bool) -> tuple[int, str | None, bool]:
    """The status, the problem's code, and whether the rest of the answer is as it must be."""
    if answer.status != 200:
        error = json.loads(answer.body)["error"]
        waits = "retry-after" in answer.headers
        right = (
            error["code"] == answer.headers["x-error-code"]
            and error["request_id"] == answer.headers["x-request-id"]
            and waits == (answer.status == 429)
            and bool(error["message"] and error["why"])
        )
        return answer.status, error["code"], right
    if not stream:
        value = json.loads(answer.body)
        text = value["choices"][0]["message"]["content"]
        return 200, None, text == COUNTED and value["model"].endswith(f"/whole-{name}")
    said = spoken(answer.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\xef\xbb\xbf", b""))
    code = said.error["code"] if said.error else None
    return 200, code, len(said.sources) <= 1 and said.done == (code is None)
