"""A call's way through the house, with a scripted provider and small real rooms around it."""

import asyncio
import json

import pytest
from tests.support.purses import Purses

from waypost.domain.callers import Caller, Token, User
from waypost.domain.endpoints import Deadlines, Endpoint, Provider
from waypost.domain.ledger import HoldState
from waypost.domain.money import Price
from waypost.domain.payers import Payer
from waypost.domain.plans import Candidate, Exclusion, Plan
from waypost.domain.problems import Refusal
from waypost.domain.waybill import Outcome, Waybill
from waypost.journey import House, _price, chat, turned_away
from waypost.ledger.book import Book
from waypost.providers.courier import Courier
from waypost.providers.exchange import Trouble
from waypost.providers.watch import Watch
from waypost.wire.dialects import read_chat

WORD = b'data: {"id":"c","created":1,"model":"native","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"id":"c","model":"native","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4}}\n\n'
DONE = b"data: [DONE]\n\n"
WHOLE = json.dumps(
    {
        "id": "c",
        "created": 1,
        "model": "native",
        "choices": [{"message": {"content": "hi"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4},
    }
).encode()
CALLER = Caller(User(1, "ada"), Token(1, b"", 1, "t", "write", "abcd", 0), frozenset())
UNKNOWN = Refusal("token_unknown", "nobody knows this token")


class Rooms:
    """Identity, planner, turnstile, books and meter in one: what happened stands in `log`, in order."""

    def __init__(self, log: list, plan: Plan) -> None:
        self.log = log
        self.plan_made = plan
        self.stranger = False
        self.filed: list[Waybill] = []
        self.full = False
        self.unheld = False
        self.broken = False
        self.marked: list = []
        self.metered: list[Waybill] = []
        self.under_way = 0

    def who(self, authorization):
        if self.stranger:
            raise UNKNOWN
        return CALLER

    def payer(self, caller, bill_to):
        return Payer("user", 1, "ada", "user:1")

    def plan(self, ask, caller, payer):
        return self.plan_made

    def refusal(self, plan, ask):
        return Refusal("model_not_supported", "nobody is left", fix="add a provider")

    def enter(self, caller, ask):
        self.log.append("entered")
        return self

    @property
    def headers(self):
        return (("RateLimit", "x"),)

    def leave(self, usage):
        self.log.append(("left the turnstile", usage.output if usage else None))

    def hold(self, bill):
        self.log.append("held")

    async def held(self, bill):
        await asyncio.sleep(0)
        if self.unheld:
            raise Refusal("ledger_unavailable", "the disk is full")
        self.log.append("hold durable")

    def begin(self, number, provider, price_version, words):
        self.marked.append((provider, price_version, words()))

    def end(self, number):
        self.marked.append("ended")

    async def file(self, bill):
        await asyncio.sleep(0)
        if self.broken:
            raise KeyError("a bug")
        if self.full:
            raise Refusal("ledger_unavailable", "the disk is full")
        self.filed.append(bill)
        self.log.append("durable")

    def file_stranger(self, bill):
        self.log.append("noted in the ring")

    def ended(self, bill_or_key, result=None):
        if result is None:
            self.metered.append(bill_or_key)
        else:
            self.under_way -= 1

    def started(self, key):
        self.under_way += 1

    def may_retry(self):
        return True

    def retried(self):
        pass


class Call:
    def __init__(self, log: list, body: dict, loop) -> None:
        self.log = log
        self.bill = Waybill(1, 0, "req_1")
        self.arrived = loop.time()
        self.gone = False
        self.body = json.dumps(body).encode()
        self.got = b""
        self.said: list = []

    def credential(self):
        return b"Bearer x"

    def read(self):
        return read_chat(self.body)

    def limits(self, headers):
        self.said.append(("limits", headers))

    def watch(self, on_gone, on_drain, on_full, on_room):
        self.on_gone = on_gone

    def begin(self, bill):
        self.log.append("begun")

    def writer(self):
        return self._write

    def _write(self, data):
        self.got += data

    def finish(self, tail):
        self.log.append("finished")
        self.got += tail

    def whole(self, bill, body):
        self.log.append("answered")
        self.got = body

    def broken(self, problem):
        self.log.append(("broken", problem.code))

    def refused(self, problem):
        self.log.append(("refused", problem.code))


class Upstream:
    """Plays one reply for every call: a status (None: no connection), the pieces of a body, and how it stops."""

    def __init__(self, status, pieces, stop="eof", kind=b"text/event-stream", between=None) -> None:
        self.reply = (status, pieces, stop, kind)
        self.between = between
        self.connect_ms, self.repeats = 1.0, 0
        self.cancelled = False

    def send(self, address, head, body, sink, connect_seconds_max):
        self.task = asyncio.get_running_loop().create_task(self.play(sink))
        return self

    async def play(self, sink):
        status, pieces, stop, kind = self.reply
        await asyncio.sleep(0)
        if status is None:
            return sink.lost(Trouble("connect", "refused"))
        sink.head(status, {b"content-type": kind})
        for piece in pieces:
            if self.cancelled:
                return None
            sink.data(piece)
            await asyncio.sleep(0.001)
            if self.between is not None:
                self.between()
        if stop == "eof" and not self.cancelled:
            sink.eof()
        return None

    def cancel(self):
        self.cancelled = True


def provider(number, stops):
    return Provider(f"p{number}", "http://127.0.0.1:1/v1", stops_billing_on_cancel=stops)


def travel(upstream, *, stream=True, order=1, prepare=lambda rooms, call: None, stops=True, funds=10**12, **body):
    log: list = []

    async def run():
        loop = asyncio.get_running_loop()
        price = Price(1_000_000_000, 2_000_000_000, version="v1")
        candidates = tuple(
            Candidate(Endpoint("acme/one", f"p{n}", "native", price), provider(n, stops), "why") for n in range(order)
        )
        plan = Plan("acme/one", "fastest", candidates, (Exclusion("q", "no_tools", "it has none"),), Deadlines())
        rooms = Rooms(log, plan)
        courier = Courier(upstream, rooms, rooms, Watch(0.005))
        rooms.purses = Purses(credits__user__1=funds)
        book = Book(rooms.purses)
        house = House(rooms, rooms, rooms, book, courier, rooms, rooms, rooms, loop.time)
        sent = {"model": "acme/one", "messages": [{"role": "user", "content": "x"}], "stream": stream, **body}
        call = Call(log, sent, loop)
        prepare(rooms, call)
        await chat(call, house)
        return call, rooms, house

    return *asyncio.run(run()), log


def test_a_stream_ends_only_after_its_waybill_is_durable() -> None:
    call, rooms, _, log = travel(Upstream(200, [WORD, STOP, USAGE, DONE]))
    assert log == ["entered", "held", "hold durable", "begun", "durable", "finished", ("left the turnstile", 4)]
    assert call.got == WORD.replace(b"native", b"acme/one") + STOP + DONE
    bill = rooms.filed[0]
    assert (bill.outcome, bill.status, bill.served_by) == (Outcome.DELIVERED, 200, "p0")
    assert bill.charge_nano_usd == 10 * 1000 + 4 * 2000
    assert bill.price_version == "v1"
    assert bill.first_word_ms is not None
    assert bill.ms >= bill.first_word_ms >= bill.gateway_ms >= 0


def test_a_whole_answer_waits_for_its_waybill() -> None:
    call, rooms, _, log = travel(Upstream(200, [WHOLE], kind=b"application/json"), stream=False)
    assert log == ["entered", "held", "durable", "answered", ("left the turnstile", 4)]
    assert json.loads(call.got)["model"] == "acme/one"
    assert rooms.filed[0].usage.output == 4


def test_a_stranger_is_noted_in_the_ring_and_not_among_the_waybills() -> None:
    _, rooms, _, log = travel(Upstream(200, []), prepare=lambda rooms, _: setattr(rooms, "stranger", True))
    assert log == ["noted in the ring", ("refused", "token_unknown")]
    assert rooms.filed == []


def test_a_bad_body_has_a_waybill_with_its_caller() -> None:
    _, rooms, _, log = travel(Upstream(200, []), messages="x")
    assert log == ["durable", ("refused", "invalid_request")]
    bill = rooms.filed[0]
    assert (bill.outcome, bill.status, bill.code, bill.caller) == (Outcome.REFUSED, 400, "invalid_request", CALLER)


def test_an_empty_plan_is_refused_with_its_exclusions_in_the_waybill() -> None:
    _, rooms, _, log = travel(Upstream(200, []), order=0)
    assert log == ["durable", ("refused", "model_not_supported")]
    assert rooms.filed[0].plan.excluded[0].reason == "no_tools"
    assert rooms.filed[0].fix == "add a provider"


def test_when_every_provider_fails_the_waybill_has_each_attempt() -> None:
    _, rooms, _, log = travel(Upstream(None, []), order=2)
    assert log[-1] == ("refused", "provider_failed")
    bill = rooms.filed[0]
    assert (bill.outcome, bill.status) == (Outcome.FAILED, 502)
    assert [a.provider for a in bill.attempts] == ["p0", "p1"]
    assert log.index(("left the turnstile", None)) < log.index(("refused", "provider_failed"))


def test_an_answer_cut_off_is_one_error_event_and_a_failed_waybill() -> None:
    _, rooms, _, log = travel(Upstream(200, [WORD]))
    assert log == [
        "entered",
        "held",
        "hold durable",
        "begun",
        "durable",
        ("broken", "upstream_incomplete"),
        ("left the turnstile", 1),
    ]
    bill = rooms.filed[0]
    assert (bill.outcome, bill.code) == (Outcome.FAILED, "upstream_incomplete")
    assert bill.usage.estimated
    assert bill.charge_nano_usd == 0, "what broke off and was not counted is not charged"


@pytest.mark.parametrize(("pieces", "status"), [([], 499), ([WORD], 200)])
def test_a_caller_who_leaves_has_a_waybill_that_says_so(pieces: list, status: int) -> None:
    def prepare(rooms, call):
        def leave():
            call.gone = True
            call.on_gone()

        asyncio.get_running_loop().call_later(0.02, leave)

    upstream = Upstream(200, pieces, stop="hang")
    _, rooms, _, _ = travel(upstream, prepare=prepare)
    assert (rooms.filed[0].outcome, rooms.filed[0].status) == (Outcome.LEFT, status)
    assert upstream.cancelled


def test_a_caller_who_leaves_while_nothing_can_be_written_ends_quietly() -> None:
    def prepare(rooms, call):
        rooms.full = True
        call.gone = True

    _, rooms, _, log = travel(Upstream(200, []), prepare=prepare)
    assert rooms.filed == []
    assert log == ["entered", "held", ("left the turnstile", None)]


def test_nothing_is_finished_that_could_not_be_written_down() -> None:
    _, _, _, log = travel(
        Upstream(200, [WHOLE], kind=b"application/json"),
        stream=False,
        prepare=lambda rooms, _: setattr(rooms, "full", True),
    )
    assert log[-1] == ("refused", "ledger_unavailable")
    assert "answered" not in log


def test_a_bug_is_a_500_with_a_request_id_and_not_a_traceback(caplog) -> None:
    def prepare(rooms, call):
        rooms.plan = None

    _, rooms, _, log = travel(Upstream(200, []), prepare=prepare)
    assert log[-1] == ("refused", "internal_error")
    assert "req_1" in caplog.text
    assert rooms.filed[0].code == "internal_error"


@pytest.mark.parametrize(("code", "filed"), [("body_too_large", 1), ("overloaded", 0)])
def test_a_call_turned_away_is_counted_and_written_down_unless_there_is_too_much_to_do(code: str, filed: int) -> None:
    async def run():
        _, rooms, house, _ = await asyncio.to_thread(travel, Upstream(200, [WORD, STOP, DONE]))
        call = Call([], {}, asyncio.get_running_loop())
        await turned_away(call, house, Refusal(code, "no"))
        return rooms, call.bill

    rooms, bill = asyncio.run(run())
    assert rooms.metered[-1] is bill
    assert (bill.outcome, bill.code, bill.why) == (Outcome.REFUSED, code, "no")
    assert rooms.filed[1:] == [bill] * filed


def full(rooms: Rooms, call: Call) -> None:
    rooms.full = True


def test_a_begun_stream_that_cannot_be_written_down_failed_with_the_status_its_caller_saw() -> None:
    call, rooms, _, log = travel(Upstream(200, [WORD, STOP, USAGE, DONE]), prepare=full)
    assert log[-1] == ("refused", "ledger_unavailable")
    bill = call.bill
    assert (bill.outcome, bill.status, bill.code) == (Outcome.FAILED, 200, "ledger_unavailable")
    assert rooms.metered == [bill], "each call counts once"
    assert rooms.under_way == 0


def test_a_call_is_answered_also_where_filing_it_has_a_bug(caplog) -> None:
    _, rooms, _, log = travel(
        Upstream(200, [WORD, STOP, DONE]), prepare=lambda rooms, _: setattr(rooms, "broken", True)
    )
    assert log[-1] == ("refused", "internal_error")
    assert "a bug in filing the waybill of req_1" in caplog.text
    assert len(rooms.metered) == 1


def test_a_bug_while_an_answer_pours_lets_the_provider_go_and_blames_nobody() -> None:
    def prepare(rooms, call):
        call.begin = None

    upstream = Upstream(200, [WORD], stop="hang")
    call, rooms, _, log = travel(upstream, prepare=prepare)
    assert log[-1] == ("refused", "internal_error")
    assert upstream.cancelled
    assert rooms.under_way == 0
    assert len(rooms.metered) == 1
    assert call.bill.attempts[0].code is None


CREDITS = 10**12


def test_what_a_call_may_cost_is_held_and_what_it_did_not_cost_comes_back() -> None:
    _, rooms, _, _ = travel(Upstream(200, [WORD, STOP, USAGE, DONE]), max_tokens=100)
    bill = rooms.filed[0]
    assert bill.hold.state is HoldState.SETTLED
    assert bill.charge_nano_usd == 10 * 1000 + 4 * 2000
    assert bill.hold_nano_usd >= 100 * 2000
    assert rooms.purses.left["credits:user:1"] == CREDITS - bill.charge_nano_usd
    assert rooms.marked == [("p0", "v1", 1), "ended"]


def test_who_cannot_pay_is_refused_before_anybody_is_called() -> None:
    upstream = Upstream(200, [WORD, STOP, USAGE, DONE])
    call, rooms, _, log = travel(upstream, funds=1000)
    assert log == ["entered", ("left the turnstile", None), "durable", ("refused", "credits_exhausted")]
    assert (call.bill.status, call.bill.outcome, call.bill.attempts) == (402, Outcome.REFUSED, [])
    assert rooms.filed[0].hold is None


def test_a_call_that_nobody_served_costs_nothing() -> None:
    _, rooms, _, _ = travel(Upstream(None, []), order=2)
    assert rooms.filed[0].hold.state is HoldState.VOIDED
    assert rooms.purses.left["credits:user:1"] == CREDITS


def test_no_word_reaches_the_caller_before_the_hold_is_durable() -> None:
    call, rooms, _, log = travel(
        Upstream(200, [WORD, STOP, USAGE, DONE]), prepare=lambda rooms, _: setattr(rooms, "unheld", True)
    )
    assert log[-1] == ("refused", "ledger_unavailable")
    assert "begun" not in log
    assert call.got == b""
    assert rooms.purses.left["credits:user:1"] == CREDITS


def test_what_could_not_be_written_down_is_not_charged() -> None:
    call, rooms, _, _ = travel(Upstream(200, [WORD, STOP, USAGE, DONE]), prepare=full)
    assert call.bill.charge_nano_usd == 0
    assert rooms.purses.left["credits:user:1"] == CREDITS


def test_an_answer_without_a_cap_is_capped_by_the_credits_and_the_provider_is_told() -> None:
    call, rooms, _, _ = travel(Upstream(200, [WORD, STOP, USAGE, DONE]), funds=5_000_000)
    cap = rooms.filed[0].hold.cap
    assert 256 <= cap < 16_384
    assert call.bill.request.output_cap == cap


def leaves(after: float):
    def prepare(rooms, call):
        def leave():
            call.gone = True
            call.on_gone()

        asyncio.get_running_loop().call_later(after, leave)

    return prepare


def test_an_answer_that_is_billed_all_the_same_is_read_to_its_end_for_what_it_counts() -> None:
    pieces = [WORD] * 40 + [STOP, USAGE, DONE]
    upstream = Upstream(200, pieces)
    _, rooms, _, _ = travel(upstream, prepare=leaves(0.01), stops=False)
    bill = rooms.filed[0]
    assert (bill.outcome, bill.status) == (Outcome.LEFT, 200)
    assert bill.charge_nano_usd == 10 * 1000 + 4 * 2000
    assert not bill.usage.estimated
    assert not upstream.cancelled


def test_who_leaves_before_the_first_word_pays_for_what_the_provider_counts() -> None:
    upstream = Upstream(200, [b": a comment\n\n"] * 20 + [WORD, STOP, USAGE, DONE])
    _, rooms, _, log = travel(upstream, prepare=leaves(0.005), stops=False)
    bill = rooms.filed[0]
    assert (bill.outcome, bill.status, bill.charge_nano_usd) == (Outcome.LEFT, 499, 10 * 1000 + 4 * 2000)
    assert "begun" not in log


def test_who_leaves_an_answer_that_stops_with_them_pays_for_what_was_delivered() -> None:
    upstream = Upstream(200, [WORD] * 100, stop="hang")
    _, rooms, _, _ = travel(upstream, prepare=leaves(0.03))
    bill = rooms.filed[0]
    assert upstream.cancelled
    assert bill.usage.estimated
    assert 0 < bill.usage.output < 100
    assert bill.charge_nano_usd == bill.usage.input * 1000 + bill.usage.output * 2000


def test_who_leaves_before_the_first_word_pays_for_the_prompt_that_was_read() -> None:
    upstream = Upstream(200, [], stop="hang")
    _, rooms, _, _ = travel(upstream, prepare=leaves(0.02))
    bill = rooms.filed[0]
    assert upstream.cancelled
    assert (bill.outcome, bill.usage.estimated, bill.usage.output) == (Outcome.LEFT, True, 0)
    assert bill.charge_nano_usd == bill.usage.input * 1000 > 0
    assert rooms.purses.left["credits:user:1"] == CREDITS - bill.charge_nano_usd


def test_who_leaves_a_provider_that_failed_by_itself_pays_nothing() -> None:
    _, rooms, _, _ = travel(Upstream(None, []), prepare=lambda _, call: setattr(call, "gone", True), stops=False)
    assert rooms.filed[0].charge_nano_usd == 0
    assert rooms.purses.left["credits:user:1"] == CREDITS


def test_leaving_that_could_not_be_written_down_is_not_charged() -> None:
    def prepare(rooms, call):
        rooms.full = True
        leaves(0.02)(rooms, call)

    call, rooms, _, _ = travel(Upstream(200, [], stop="hang"), prepare=prepare)
    assert call.bill.charge_nano_usd == 0
    assert rooms.purses.left["credits:user:1"] == CREDITS


def test_an_own_key_without_a_label_is_an_own_key_all_the_same() -> None:
    priced = Endpoint("acme/one", "p0", "native", Price(1, 1))
    assert _price(Candidate(priced, provider(0, stops=True), "why", "")) is None
    assert _price(Candidate(priced, provider(0, stops=True), "why")) == Price(1, 1)
