import asyncio
import time
from collections.abc import Coroutine
from dataclasses import replace

import pytest
from crossroads import ask, caller
from huggingface_hub.utils import parse_ratelimit_headers
from purses import NewPurse

from waypost.domain.callers import Caller, Limits
from waypost.domain.chat import Usage
from waypost.domain.problems import Refusal
from waypost.identity.limits import Ticket, Turnstile
from waypost.store.books import Counter, Verdict
from waypost.store.counters import Counters


class Post:
    def answer(self, ask, grant) -> None:
        raise AssertionError("there are no workers")

    def recall(self, worker, key) -> None:
        raise AssertionError("there are no workers")


class Booth:
    """The owner's own counters behind a turnstile, with a clock of their own; of what is `far` it has to ask."""

    def __init__(self, far: str = "none") -> None:
        self.now = 5.0
        self.far = far
        self.counters = Counters(lambda: self.now, Post(), NewPurse())
        self.turnstile = Turnstile(self, lambda: self.now)

    def try_take(self, counter: Counter, amount: int) -> Verdict | None:
        return None if self.far in ("all", counter.key.rpartition(":")[2]) else self.counters.try_take(counter, amount)

    async def take(self, counter: Counter, amount: int) -> Verdict:
        verdict = self.counters.try_take(counter, amount)
        assert verdict is not None
        return verdict

    def give(self, counter: Counter, amount: int) -> None:
        self.counters.give(counter, amount)

    def enter(self, who: Caller, **more) -> Ticket:
        ticket = self.turnstile.enter(who, ask(**more))
        if isinstance(ticket, Coroutine):
            ticket = asyncio.run(ticket)
        assert ticket is not None
        return ticket

    def refused(self, who: Caller, **more) -> Refusal:
        with pytest.raises(Refusal) as caught:
            self.enter(who, **more)
        assert (caught.value.code, caught.value.status) == ("rate_limited", 429)
        return caught.value


@pytest.fixture(params=["none", "tokens", "all"])
def booth(request) -> Booth:
    return Booth(request.param)


def limited(*limits: int | None) -> Caller:
    return caller(limits=Limits(*limits))


def test_a_token_without_limits_gets_no_ticket_and_costs_nothing() -> None:
    turnstile, who, one = Booth().turnstile, caller(), ask()
    assert turnstile.enter(who, one) is None
    started = time.process_time()
    for _ in range(10_000):
        turnstile.enter(who, one)
    assert (time.process_time() - started) / 10_000 * 1e6 < 1.0


def test_requests_beyond_the_minutes_are_refused_until_it_turns(booth) -> None:
    who = limited(2)
    for _ in range(2):
        booth.enter(who).leave(None)
    refused = booth.refused(who)
    assert refused.retry_after_seconds == 55
    assert refused.extra == {"limit": "requests_per_minute", "allowed": 2}
    assert "2 requests a minute" in refused.message
    booth.now = 60.0
    booth.enter(who)


def test_the_headers_are_those_that_hugging_faces_client_reads(booth) -> None:
    who = limited(60)
    ticket = booth.enter(who)
    assert ticket.headers == (
        ("RateLimit", '"requests";r=59;t=55'),
        ("RateLimit-Policy", '"fixed window";"requests";q=60;w=60'),
    )
    read = parse_ratelimit_headers(dict(ticket.headers))
    assert read is not None
    assert (read.resource_type, read.remaining, read.reset_in_seconds, read.limit) == ("requests", 59, 55, 60)


def test_a_refusal_says_the_same_in_its_headers(booth) -> None:
    who = limited(1)
    booth.enter(who)
    assert booth.refused(who).headers == (
        ("RateLimit", '"requests";r=0;t=55'),
        ("RateLimit-Policy", '"fixed window";"requests";q=1;w=60'),
    )


def test_the_limit_with_the_least_left_is_named_first(booth) -> None:
    ticket = booth.enter(limited(100, 1_000))
    assert ticket.headers[0][1] == '"tokens";r=388;t=55, "requests";r=99;t=55'
    read = parse_ratelimit_headers(dict(ticket.headers))
    assert read is not None
    assert read.limit == 1_000


def test_streams_at_once_come_back_when_calls_end(booth) -> None:
    who = limited(None, None, 2)
    first = booth.enter(who)
    booth.enter(who)
    refused = booth.refused(who)
    assert refused.extra["limit"] == "streams_at_once"
    assert refused.retry_after_seconds == 1
    assert refused.headers == ()
    first.leave(None)
    assert booth.enter(who).headers == ()


def test_reserved_tokens_are_put_right_by_what_was_used(booth) -> None:
    who = limited(None, 1_000)
    booth.enter(who).leave(Usage(100, 50, 30, 20))
    assert booth.enter(who).headers[0][1] == '"tokens";r=188;t=55'


def test_a_call_that_used_more_than_reserved_uses_up_more(booth) -> None:
    who = limited(None, 1_000)
    booth.enter(who, output_tokens_max=10).leave(Usage(100, 0, 900, 0))
    assert booth.refused(who).extra["limit"] == "tokens_per_minute"


def test_a_call_that_came_to_nothing_gives_its_tokens_back_but_counts_as_a_request(booth) -> None:
    who = limited(2, 1_000)
    booth.enter(who).leave(None)
    booth.enter(who).leave(None)
    assert booth.refused(who).extra["limit"] == "requests_per_minute"


def test_tokens_left_over_from_the_minute_before_do_not_fill_up_this_one(booth) -> None:
    who = limited(None, 1_000)
    late = booth.enter(who)
    booth.now = 61.0
    booth.enter(who)
    late.leave(None)
    assert booth.refused(who).extra["limit"] == "tokens_per_minute"


def test_tokens_used_beyond_the_reservation_count_in_the_minute_in_which_they_are_known(booth) -> None:
    who = limited(None, 1_000)
    late = booth.enter(who)
    booth.now = 61.0
    late.leave(Usage(1_100, 0, 0, 0))
    assert booth.refused(who).extra["limit"] == "tokens_per_minute"


def test_a_call_larger_than_a_whole_minute_waits_for_a_fresh_one_but_is_not_shut_out(booth) -> None:
    who = limited(None, 100)
    booth.enter(who, output_tokens_max=1, input_tokens_max=4)
    assert booth.refused(who).retry_after_seconds == 55
    booth.now = 60.0
    booth.enter(who)


def test_a_call_refused_by_one_limit_gives_back_what_it_took_of_the_others(booth) -> None:
    who = limited(10, 600, 1)
    booth.enter(who).leave(Usage(300, 0, 250, 0))
    for _ in range(3):
        assert booth.refused(who).extra["limit"] == "tokens_per_minute"
    booth.now = 60.0
    ticket = booth.enter(who)
    assert '"requests";r=9' in ticket.headers[0][1]


def test_two_tokens_do_not_share_a_limit(booth) -> None:
    booth.enter(limited(1))
    other = limited(1)
    other = replace(other, token=replace(other.token, id=2))
    booth.enter(other)


def test_where_the_owner_cannot_be_asked_nothing_stays_taken(monkeypatch) -> None:
    booth, who = Booth("tokens"), limited(None, 100, 1)

    async def gone(*_: object) -> Verdict:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(booth, "take", gone)
        with pytest.raises(ConnectionError):
            booth.enter(who)
    booth.enter(who)
