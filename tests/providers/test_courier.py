"""The plan is tried in turn, until somebody says a word; then never again."""

import asyncio
import json

import pytest

from waypost.domain.endpoints import Deadlines
from waypost.domain.problems import Failed
from waypost.domain.pulse import CallResult
from waypost.providers.courier import Courier, Left
from waypost.providers.watch import Watch
from waypost.wire.dialects import read_chat

WORD = b'data: {"model":"x","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
WHOLE = (
    b'{"id":"c","created":1,"model":"one-at-alpha","choices":[{"message":{"content":"hi"}}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":1}}'
)
ASK = {"model": "acme/one", "messages": [{"role": "user", "content": "x"}]}


class Health:
    def __init__(self) -> None:
        self.told: list[tuple[str, CallResult]] = []
        self.in_flight = 0

    def started(self, endpoint) -> None:
        self.in_flight += 1

    def ended(self, endpoint, result: CallResult) -> None:
        self.in_flight -= 1
        self.told.append(("/".join(endpoint[1:]), result))


class Budget:
    def __init__(self, tries: int) -> None:
        self.tries = tries

    def may_retry(self) -> bool:
        return self.tries > 0

    def retried(self) -> None:
        self.tries -= 1


def travel(
    scripted,
    scripts,
    slugs=("alpha", "beta", "gamma"),
    *,
    own=(),
    stream=True,
    tries=5,
    during=None,
    leave_first=False,
    deadlines=None,
):
    """Open the first endpoint that answers; gives (flow or problem, attempts, health, client)."""

    async def run():
        client, health = scripted.client(*scripts), Health()
        courier = Courier(client, health, Budget(tries), Watch(0.005))
        caller = scripted.caller()
        caller.gone = leave_first
        attempts = []
        if during is not None:
            asyncio.get_running_loop().call_later(0.01, during, caller)
        ask = read_chat(json.dumps({**ASK, "stream": stream}).encode())
        plan = scripted.plan(*slugs, deadlines=deadlines)
        order = (c._replace(own_key="mine", owner="user:1") if c.provider.slug in own else c for c in plan.order)
        plan = plan._replace(order=tuple(order))
        try:
            flow = await courier.open(plan, ask, attempts, caller)
        except (Failed, Left) as problem:
            return problem, attempts, health, client
        end = await flow.pour(caller)
        courier.served(flow, end, 1)
        return flow, attempts, health, client

    return asyncio.run(run())


def test_the_first_that_answers_serves_the_call(scripted) -> None:
    flow, attempts, health, client = travel(scripted, [scripted.script(pieces=(WORD, STOP))])
    assert flow.candidate.provider.slug == "alpha"
    assert [a.code for a in attempts] == [None]
    assert health.told[0][1].blame == "served"
    assert health.in_flight == 0
    assert len(client.sent) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503, 401, 403, 402, 302, 204])
def test_a_providers_trouble_moves_on_to_the_next(scripted, status: int) -> None:
    scripts = [scripted.script(status=status, kind=b"application/json"), scripted.script(pieces=(WORD, STOP))]
    flow, attempts, health, _ = travel(scripted, scripts)
    assert flow.candidate.provider.slug == "beta"
    assert [a.status for a in attempts] == [status, 200]
    assert attempts[0].code is not None
    assert health.in_flight == 0


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_the_caller_must_mend_goes_back_at_once(scripted, status: int) -> None:
    body = b'{"error":{"message":"n is too large","param":"n"}}'
    problem, attempts, health, _ = travel(
        scripted, [scripted.script(status=status, kind=b"application/json", pieces=(body,))]
    )
    assert isinstance(problem, Failed)
    assert problem.status == status
    assert problem.message == "n is too large"
    assert problem.param == "n"
    assert len(attempts) == 1
    assert health.told[0][1].blame == "none"


def test_a_connection_that_fails_moves_on(scripted) -> None:
    flow, attempts, *_ = travel(scripted, [scripted.script(status=None), scripted.script(pieces=(WORD, STOP))])
    assert flow.candidate.provider.slug == "beta"
    assert attempts[0].why == "connection refused"


def test_no_second_endpoint_once_a_word_was_said(scripted) -> None:
    flow, attempts, health, client = travel(scripted, [scripted.script(pieces=(WORD,), stop="lost")])
    assert len(client.sent) == 1
    assert attempts[0].code == "upstream_incomplete"
    assert health.told[0][1].blame == "failure"
    assert flow.candidate.provider.slug == "alpha"


def test_when_all_fail_the_problem_names_every_attempt(scripted) -> None:
    problem, attempts, *_ = travel(
        scripted, [scripted.script(status=500), scripted.script(status=None), scripted.script(status=503)]
    )
    assert (problem.code, problem.status) == ("provider_failed", 502)
    assert [a["provider"] for a in problem.extra["attempts"]] == ["alpha", "beta", "gamma"]
    assert all(slug in problem.why for slug in ("alpha", "beta", "gamma"))
    assert len(attempts) == 3


def test_when_all_are_busy_the_smallest_wait_is_told(scripted) -> None:
    busy = [scripted.script(status=429, headers=((b"retry-after", wait),)) for wait in (b"30", b"7", b"90")]
    problem, *_ = travel(scripted, busy)
    assert (problem.code, problem.status, problem.retry_after_seconds) == ("providers_busy", 429, 7)


def test_our_own_key_refused_everywhere_is_never_the_callers_401(scripted) -> None:
    problem, *_ = travel(scripted, [scripted.script(status=401)] * 3)
    assert (problem.code, problem.status) == ("provider_refused_key", 502)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_own_key_is_the_callers_403_and_nobody_elses_matter(scripted, status: int) -> None:
    problem, attempts, health, _ = travel(scripted, [scripted.script(status=status)], ("alpha",), own=("alpha",))
    assert (problem.code, problem.status) == ("own_key_refused", 403)
    assert (problem.extra["provider"], problem.extra["key_label"]) == ("alpha", "mine")
    assert "alpha refused the payer's own key 'mine'" in problem.message
    assert [attempt.code for attempt in attempts] == ["own_key_refused"]
    ((key, result),) = health.told
    assert (key, result.blame) == ("alpha/user:1", "key")


def test_after_a_refused_own_key_whoever_else_is_planned_is_tried(scripted) -> None:
    """Where the plan goes on, the payer has said that it may."""
    scripts = [scripted.script(status=401), scripted.script(pieces=(WORD, STOP))]
    flow, attempts, *_ = travel(scripted, scripts, ("alpha", "beta"), own=("alpha",))
    assert flow.candidate.provider.slug == "beta"
    assert [attempt.code for attempt in attempts] == ["own_key_refused", None]


def test_where_nobody_answers_a_refused_own_key_is_what_its_owner_hears_of(scripted) -> None:
    scripts = [scripted.script(status=401), scripted.script(status=500)]
    problem, *_ = travel(scripted, scripts, ("alpha", "beta"), own=("alpha",))
    assert (problem.code, problem.extra["provider"]) == ("own_key_refused", "alpha")
    assert "beta answered 500" in problem.why


def test_the_first_failover_is_free_and_further_ones_need_the_budget(scripted) -> None:
    problem, attempts, *_ = travel(scripted, [scripted.script(status=500)] * 3, tries=0)
    assert len(attempts) == 2
    assert "retry budget" in problem.why


def test_a_whole_answer_comes_with_our_models_name(scripted) -> None:
    flow, *_ = travel(
        scripted, [scripted.script(kind=b"application/json", pieces=(WHOLE[:40], WHOLE[40:]))], stream=False
    )
    assert json.loads(asyncio.run(_tail(flow)))["model"] == "acme/one"


async def _tail(flow) -> bytes:
    return flow._end.tail


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"choices":[]}', b'{"error":{"code":500}}'])
def test_a_200_that_is_no_answer_moves_on(scripted, body: bytes) -> None:
    scripts = [
        scripted.script(kind=b"application/json", pieces=(body,)),
        scripted.script(kind=b"application/json", pieces=(WHOLE,)),
    ]
    flow, *_ = travel(scripted, scripts, stream=False)
    assert flow.candidate.provider.slug == "beta"


def test_a_caller_who_leaves_before_the_first_word_ends_it(scripted) -> None:
    problem, attempts, health, client = travel(
        scripted, [scripted.script(pieces=(), stop="hang")], during=lambda caller: caller.leave()
    )
    assert isinstance(problem, Left)
    assert client.exchanges[0].cancelled
    assert len(attempts) == 1
    assert health.told[0][1].blame == "none"


def test_nobody_is_called_for_a_caller_who_is_gone(scripted) -> None:
    problem, attempts, *_ = travel(scripted, [], leave_first=True)
    assert isinstance(problem, Left)
    assert attempts == []


def test_the_providers_key_goes_out_and_the_callers_token_does_not(scripted) -> None:
    _, _, _, client = travel(scripted, [scripted.script(pieces=(WORD, STOP))])
    head, body = client.sent[0]
    assert b"authorization: Bearer key-of-alpha\r\n" in head
    assert b"host: 127.0.0.1:9\r\n" in head
    assert head.startswith(b"POST /alpha/v1/chat/completions HTTP/1.1\r\n")
    assert head.endswith(b"content-length: %d\r\n\r\n" % len(body))
    assert json.loads(body)["model"] == "one-at-alpha"


def test_a_bug_while_a_call_is_sent_leaves_nothing_under_way(scripted) -> None:
    class Broken:
        def send(self, *_):
            raise RuntimeError("a bug")

    async def run():
        health, watch = Health(), Watch(0.005)
        courier = Courier(Broken(), health, Budget(5), watch)
        ask = read_chat(json.dumps(ASK).encode())
        with pytest.raises(RuntimeError):
            await courier.open(scripted.plan("alpha"), ask, [], scripted.caller())
        return health, watch

    health, watch = asyncio.run(run())
    assert health.in_flight == 0
    assert [result.blame for _, result in health.told] == ["none"]
    assert watch._flows == set()


def test_what_was_not_tried_is_told_with_the_true_reason(scripted) -> None:
    scripts = [scripted.script(status=500, kind=b"application/json")] * 3
    problem, *_ = travel(scripted, scripts, tries=0)
    assert "1 more not tried: the retry budget is used up" in problem.why
    problem, *_ = travel(scripted, scripts, deadlines=Deadlines(call_seconds_max=0.0))
    assert "2 more not tried: the call's time is up" in problem.why
