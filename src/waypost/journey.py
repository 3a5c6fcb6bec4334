"""One chat call from the door to a provider and back. Whoever reads this file has seen the product."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from waypost.domain.callers import Caller
from waypost.domain.chat import ChatRequest, Usage
from waypost.domain.money import Price
from waypost.domain.payers import Payer
from waypost.domain.plans import Candidate, Plan
from waypost.domain.problems import Failed, Problem, Refusal
from waypost.domain.waybill import Attempt, Outcome, Waybill
from waypost.identity.credentials import described
from waypost.ledger.book import Hold, came_to
from waypost.ledger.settlement import Ended
from waypost.ledger.unpaid import unpaid
from waypost.providers.courier import Leaver, Left
from waypost.providers.flow import End, EndKind, Flow
from waypost.providers.metering import estimate

log = logging.getLogger("waypost.journey")
CALLER_LEFT_STATUS = 499
DONE, BROKEN, GONE = EndKind.DONE, EndKind.BROKEN, EndKind.GONE
WARNING = "X-HF-Warning"
STRANGER_CODES = frozenset({"token_missing", "token_malformed", "token_unknown", "token_revoked", "token_expired"})


# What the journey needs, in the order in which it asks.


class Asked(Protocol):
    """A chat call as the door holds it."""

    bill: Waybill

    def credential(self) -> bytes | None: ...
    def read(self) -> ChatRequest: ...


class Call(Asked, Leaver, Protocol):
    """The same, with the way back to its caller."""

    arrived: float
    """When it was complete at the door, by the same clock as the house's."""

    def limits(self, headers: tuple[tuple[str, str], ...]) -> None: ...
    def keep(self) -> None:
        """Keep the bodies of this call from now on."""

    def kept(self, tail: bytes) -> tuple[bytes, bytes]:
        """What was asked, and what was answered so far with this behind it."""
        ...

    def begin(self, bill: Waybill) -> None: ...
    def writer(self) -> Callable[[bytes], None]: ...
    def finish(self, tail: bytes) -> None: ...
    def whole(self, bill: Waybill, body: bytes) -> None: ...
    def broken(self, problem: Problem) -> None: ...
    def refused(self, problem: Problem) -> None: ...


class Identity(Protocol):
    """Who are you, and who pays?"""

    def who(self, authorization: bytes | None) -> Caller: ...
    def payer(self, caller: Caller, bill_to: str | None) -> Payer: ...


class Ticket(Protocol):
    """What a call holds of its token's limits while it runs."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]: ...
    def leave(self, usage: Usage | None) -> None: ...


class Turnstile(Protocol):
    """How much may you do at once, and in a minute? None where the token has no limits."""

    def enter(self, caller: Caller, ask: ChatRequest) -> Ticket | Coroutine[Any, Any, Ticket] | None: ...


class Planner(Protocol):
    """Who could serve you, in which order?"""

    def plan(self, ask: ChatRequest, caller: Caller, payer: Payer) -> Plan: ...
    def refusal(self, plan: Plan, ask: ChatRequest) -> Refusal: ...


class Courier(Protocol):
    """Who serves you?"""

    async def open(self, plan: Plan, ask: ChatRequest, attempts: list[Attempt], caller: Leaver) -> Flow: ...
    def served(self, flow: Flow, end: End, output_tokens: int) -> None: ...
    def abandon(self, flow: Flow) -> None: ...


class Book(Protocol):
    """May the payer pay for the dearest of them? None where nobody asks for credits."""

    def hold(
        self, plan: Plan, ask: ChatRequest, payer: Payer, at_ms: int
    ) -> Hold | Coroutine[Any, Any, Hold] | None: ...


class Marks(Protocol):
    """How far are those who run under a hold?"""

    def begin(self, number: int, provider: str, price_version: str, words: Callable[[], int]) -> None: ...
    def end(self, number: int) -> None: ...


class Books(Protocol):
    """What happened? A filed waybill, or a hold, is durable when its future is done."""

    def hold(self, waybill: Waybill) -> None: ...
    def held(self, waybill: Waybill) -> Awaitable[None]: ...
    def file(self, waybill: Waybill) -> Awaitable[None]: ...
    def file_stranger(self, waybill: Waybill) -> None: ...


class Meter(Protocol):
    """Counters for those who watch."""

    def ended(self, bill: Waybill) -> None: ...


@dataclass(slots=True)
class House:
    """Every room a call passes through."""

    identity: Identity
    turnstile: Turnstile
    planner: Planner
    book: Book
    courier: Courier
    marks: Marks
    books: Books
    meter: Meter
    clock: Callable[[], float]
    """Monotonic seconds, finer than the event loop's own."""
    keep_bodies: bool = False


async def chat(call: Call, house: House) -> None:
    """Carry one call. Refusals and failures become a waybill and a reply here, and nowhere else."""
    try:
        await _carry(call, house)
    except Left as left:
        _part(call.bill, left.flow)
        _close(call, house, Outcome.LEFT, CALLER_LEFT_STATUS)
        if await _write_down(call, house) is not None:  # nobody is there any more who could be told
            _void(call.bill)
    except Problem as problem:
        await _refuse(call, house, problem)
    except Exception:
        log.exception("a bug in the journey of %s", call.bill.request_id)
        await _refuse(call, house, Failed("internal_error", "Something went wrong in the router itself.", fix=BUG_FIX))


BUG_FIX = (
    "This is a bug of ours, and your request was not at fault. The operator finds it in the log by its request id."
)


async def _carry(call: Call, house: House) -> None:
    bill = call.bill
    caller = bill.caller = house.identity.who(call.credential())
    ask = bill.request = call.read()
    payer = bill.payer = house.identity.payer(caller, ask.bill_to)
    plan = bill.plan = house.planner.plan(ask, caller, payer)
    if not plan.order:
        raise house.planner.refusal(plan, ask)
    ticket = house.turnstile.enter(caller, ask)
    if ticket is not None:
        if asyncio.iscoroutine(ticket):
            ticket = await ticket
        call.limits(ticket.headers)
    try:
        try:
            hold = house.book.hold(plan, ask, payer, bill.at_ms)
            if hold is not None:
                ask = _under(call, await hold if asyncio.iscoroutine(hold) else hold, ask)
                house.books.hold(bill)
        except Refusal as refusal:
            plan = bill.plan = unpaid(plan, refusal)
        bill.gateway_ms = _elapsed_ms(call, house)
        flow = await house.courier.open(plan, ask, bill.attempts, call)
        await _deliver(call, house, flow, ask)
    finally:
        if ticket is not None:
            ticket.leave(bill.usage)


def _under(call: Call, hold: Hold, ask: ChatRequest) -> ChatRequest:
    """Credits are set aside: from here on the call is theirs, and its answer as long as they reach."""
    bill = call.bill
    bill.hold = hold
    bill.hold_nano_usd = hold.amount
    if hold.cap is not None:
        ask = bill.request = ask._replace(output_cap=hold.cap)
    return ask


async def _deliver(call: Call, house: House, flow: Flow, ask: ChatRequest) -> None:
    bill = call.bill
    bill.served_by = flow.candidate.provider.slug
    status = 200
    try:
        if house.keep_bodies:
            call.keep()
        if ask.stream:
            status = await _begin(call, house, flow)
        end = await flow.pour(call)
        usage = _settle(bill, flow, end, ask)
    except Exception:
        house.courier.abandon(flow)
        raise
    finally:
        if ask.stream:
            house.marks.end(bill.id)
    house.courier.served(flow, end, usage.output_total)
    if end.kind is GONE and not ask.stream:
        status = CALLER_LEFT_STATUS
    _close(call, house, OUTCOMES[end.kind], status)
    if end.code is not None:
        bill.code, bill.why = end.code, end.why
    if house.keep_bodies:
        bill.request_body, bill.reply_body = call.kept(end.tail)
    await house.books.file(bill)
    house.meter.ended(bill)
    _say_end(call, flow, end)


OUTCOMES = (Outcome.DELIVERED, Outcome.FAILED, Outcome.LEFT)
ENDS = (Ended.DONE, Ended.BROKEN, Ended.GONE)
"""Both by `EndKind`."""
LET_GO = End(GONE)


async def _begin(call: Call, house: House, flow: Flow) -> int:
    """Send the true status of a stream, once its hold is on the disk. Gives what the caller saw."""
    bill = call.bill
    if bill.hold is not None:
        version = _price(flow.candidate)
        house.marks.begin(bill.id, flow.candidate.provider.slug, version.version if version else "", flow.words)
        await house.books.held(bill)
    bill.first_word_ms = _elapsed_ms(call, house)
    if call.gone:
        return CALLER_LEFT_STATUS
    _warn(call)
    call.begin(bill)
    return 200


def _warn(call: Call) -> None:
    """Say in the head of the reply when credits run low."""
    hold = call.bill.hold
    if hold is not None and (warning := hold.warning):
        call.limits(((WARNING, warning),))


def _price(candidate: Candidate) -> Price | None:
    """What credits pay at this endpoint; nothing where none is known, or where the payer's own key pays."""
    return candidate.endpoint.price if candidate.own_key is None else None


def _settle(bill: Waybill, flow: Flow, end: End, ask: ChatRequest) -> Usage:
    """What it came to: the provider's count, else our estimate of what was handed on."""
    usage = bill.usage = end.usage or estimate(ask, end.words)
    price = _price(flow.candidate)
    bill.own_key = flow.candidate.own_key
    bill.reported_nano_usd = end.reported_nano_usd
    if bill.hold is not None:
        came = came_to(bill.hold, ENDS[end.kind], price, end.usage, usage)
        bill.hold.end(came)
        bill.charge_nano_usd = came.charge
        bill.price_version = price.version if price else ""
    return usage


def _say_end(call: Call, flow: Flow, end: End) -> None:
    """The settlement is durable: let the tail go."""
    bill = call.bill
    if end.kind is DONE and flow.stream:
        warning = bill.hold.warning if bill.hold is not None else ""
        call.finish(flow.closing(bill.usage, bill.charge_nano_usd, warning) + end.tail)
    elif end.kind is DONE:
        _warn(call)
        call.whole(bill, end.tail)
    elif end.kind is BROKEN:
        call.broken(Failed(end.code or "upstream_error", f"{bill.served_by} could not finish the answer.", why=end.why))


def _part(bill: Waybill, flow: Flow | None) -> None:
    """Nobody waits for the first word any more. Who has read the prompt bills it, so leaving is not free."""
    if flow is None or bill.request is None:
        _void(bill)
    else:
        _settle(bill, flow, LET_GO, bill.request)


def _void(bill: Waybill) -> None:
    """Nothing is charged for what was not served, or could not be written down."""
    if bill.hold is not None:
        bill.hold.void()
        bill.charge_nano_usd = 0


async def _refuse(call: Call, house: House, problem: Problem) -> None:
    bill = call.bill
    _void(bill)
    outcome = Outcome.REFUSED if isinstance(problem, Refusal) and not bill.attempts else Outcome.FAILED
    status = problem.status if bill.first_word_ms is None else 200  # what its caller saw before this
    _close(call, house, outcome, status)
    bill.code = problem.code
    bill.why = problem.why or problem.message
    bill.fix = problem.fix
    if problem.code in STRANGER_CODES:
        bill.stranger = described(call.credential())
        house.books.file_stranger(bill)
        house.meter.ended(bill)
        call.refused(problem)
        return
    call.refused(await _write_down(call, house) or problem)


async def turned_away(asked: Asked, house: House, problem: Problem) -> None:
    """Write down a call that was refused at its head, or while its body came; its caller was told already."""
    bill = asked.bill
    bill.outcome, bill.status, bill.code = Outcome.REFUSED, problem.status, problem.code
    bill.why, bill.fix = problem.why or problem.message, problem.fix
    if problem.code == "overloaded":  # who has too much to do counts, and writes no books
        house.meter.ended(bill)
        return
    try:
        bill.caller = house.identity.who(asked.credential())
    except Refusal:
        bill.stranger = described(asked.credential())
        house.books.file_stranger(bill)
        house.meter.ended(bill)
        return
    await _write_down(asked, house)


async def _write_down(call: Asked, house: House) -> Problem | None:
    """File the waybill of a call that was not answered; gives what kept us from it."""
    worse: Problem | None = None
    try:
        await house.books.file(call.bill)
    except Problem as problem:
        worse = problem
    except Exception:  # its caller must hear all the same of what became of the call
        log.exception("a bug in filing the waybill of %s", call.bill.request_id)
    house.meter.ended(call.bill)
    return worse


def _close(call: Call, house: House, outcome: Outcome, status: int) -> None:
    bill = call.bill
    bill.outcome = outcome
    bill.status = status
    bill.ms = _elapsed_ms(call, house)


def _elapsed_ms(call: Call, house: House) -> float:
    return (house.clock() - call.arrived) * 1000
