"""A ledger under test beside the oracle that says what it must come to: every operation once, on both."""

from __future__ import annotations

import asyncio
import calendar
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from abacus import Abacus, Asked, Rate, Words, cap, ceiling, cost
from ledger_checks import check_disk, check_memory
from sample_bills import START_MS, sample_caller, sample_request

from waypost.domain.chat import Usage
from waypost.domain.endpoints import Deadlines, Endpoint, Provider
from waypost.domain.ledger import Settlement
from waypost.domain.money import Price
from waypost.domain.payers import Payer, SpendingLimit
from waypost.domain.plans import Candidate, Plan
from waypost.domain.problems import Problem, Refusal
from waypost.domain.requests import RequestNumbers, request_id
from waypost.domain.waybill import Attempt, Outcome, Waybill
from waypost.ledger.book import Book, came_to
from waypost.ledger.settlement import Ended
from waypost.store.books import Mark, Retention, StoreSettings
from waypost.store.owner import Owner
from waypost.store.reader import Reader

Result = TypeVar("Result")
INCLUDED = {"user:1": 700, "org:1": 0}
RATES = (
    Rate(1_000_000, 3_000_000, None, None, 0),
    Rate(999_999, 2_500_001, 333_333, 7_000_001, 0),
    Rate(1_500_000, 1_500_000, 2_000_000, None, 17_500_000),
)
PRICES = tuple(Price(*rate[:4], rate.request, f"2026-09-0{n + 1}") for n, rate in enumerate(RATES))
SLUGS = ("alpha", "beta", "gamma")
TOKEN_LIMIT = SpendingLimit("token:1", 3_000, "t")
LIMITS = (SpendingLimit("user:1", 4_000, "ada"), TOKEN_LIMIT)
ORGANISATION_LIMITS = (SpendingLimit("org:1", 5_000, "acme"), SpendingLimit("member:1:1", 3_500, "m"), TOKEN_LIMIT)
PAYERS = (
    Payer("user", 1, "ada", "user:1", limits=LIMITS),
    Payer("organisation", 1, "acme", "org:1", limits=ORGANISATION_LIMITS),
    Payer("user", 1, "ada", "user:1"),
)
OUTCOMES = {Ended.DONE: Outcome.DELIVERED, Ended.BROKEN: Outcome.FAILED, Ended.GONE: Outcome.LEFT}


class Call:
    """A call under a hold, as the oracle knows it."""

    def __init__(self, bill: Waybill, places: tuple[int, ...], amount: int, period: int) -> None:
        self.bill = bill
        self.places = places
        """Its plan's endpoints, in RATES."""
        self.place = places[0]
        self.amount = amount
        self.period = period
        self.expected = max(1, bill.request.input_tokens_max // 4)
        """Tokens of its prompt, as far as anybody knows."""
        self.mark: tuple[int, int] | None = None
        self.out = False
        """The store has heard of it."""
        self.written = False

    @property
    def payer(self) -> Payer:
        return self.bill.hold.payer

    @property
    def subjects(self) -> list[str]:
        return [limit.subject for limit in self.payer.limits]


class World:
    """The owner on a real database, a clock of its own, and the oracle."""

    owner: Owner

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self.now = START_MS
        self.period = self.month()
        self.said = Abacus()
        self.open: list[Call] = []
        self.expired: dict[int, Call] = {}
        self.charged: dict[int, tuple[Call, int]] = {}
        """Settled calls that there still are, and what of the charge was not given back."""
        self.outside: dict[str, tuple[Any, ...]] = {}
        self.given: set[tuple[str, int]] = set()
        self._settings = StoreSettings(folder, Retention(None, None), database, 0.2, 0.05)
        self._numbers = RequestNumbers(0, lambda: self.now)
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._retained = 0
        self.do(self._begin())
        self.do(self._people())
        self.reader = Reader(folder, database)

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(work)

    def close(self) -> None:
        self.reader.close()
        self.do(self.owner.close())
        self._runner.close()

    async def _begin(self) -> None:
        self.owner = Owner(self._settings, lambda: self.now)
        self.owner.standing.included = lambda account, _period: INCLUDED.get(account, 0)
        if self.make_counters is not None:
            self.owner.counters = self.make_counters(lambda: self.now / 1000, self.owner._office, self.owner.standing)
        self.book = Book(self.owner)
        await self.owner.lot_ends._round

    async def _people(self) -> None:
        await self.owner.run("user.create", {"name": "ada"})
        await self.owner.run("org.create", {"name": "acme"})

    def month(self) -> int:
        at = time.gmtime(self.now // 1000)
        return at.tm_year * 100 + at.tm_mon

    def month_ends(self) -> int:
        year, month = divmod(self.period, 100)
        return calendar.timegm((year + month // 12, month % 12 + 1, 1, 0, 0, 0)) * 1000

    payers = PAYERS
    settle = staticmethod(came_to)
    make_counters: Callable[..., Any] | None = None
    """For mutants: what takes the place of the owner's counters."""

    # What happens.

    def pass_time(self, ms: int) -> None:
        """The clock goes on; the owner looks at the month as its timer would."""
        self.now += ms
        if self.month() != self.period:
            self.period = self.month()
            self.do(self._turn())
            self._said_lots_end()

    async def _turn(self) -> None:
        self.owner._turning.cancel()
        self.owner._turn_month()
        await self.owner.lot_ends._round

    def look(self, account: str) -> None:
        """The first touch in a month brings what is included."""
        if (account, self.period) not in self.given:
            self.given.add((account, self.period))
            if INCLUDED[account]:
                self.said.come("granted", account, INCLUDED[account], self.month_ends())

    def command(self, name: str, **args: Any) -> Any:
        """What the owner answers, be it a refusal."""

        async def run() -> Any:
            try:
                return await self.owner.run(name, args)
            except Problem as problem:
                return problem

        return self.do(run())

    def grant(self, name: str, account: str, amount: int, ends: int | None, outside: str | None) -> None:
        self.look(account)
        answer = self.command(f"credits.{name}", account=account, amount=amount, expires_at=ends, outside_id=outside)
        what = (name, account, amount, ends)
        if outside in self.outside:
            assert isinstance(answer, Refusal) != (self.outside[outside] == what)
            return
        assert not isinstance(answer, Refusal), answer
        self.said.come("granted", account, amount, ends)
        if outside is not None:
            self.outside[outside] = what

    def adjust(self, account: str, amount: int) -> None:
        self.look(account)
        answer = self.command("credits.adjust", account=account, amount=amount)
        assert isinstance(answer, Problem) == (amount == 0), answer
        if amount > 0:
            self.said.come("granted", account, amount)
        elif amount < 0:
            self.said.go(account, "granted", -amount)

    def pay_out(self, account: str, amount: int) -> None:
        self.look(account)
        answer = self.command("credits.refund", account=account, amount=amount)
        assert not isinstance(answer, Problem), answer
        self.said.go(account, "granted", amount)

    def refund(self, number: int, amount: int | None) -> None:
        call, left = self.charged[number]
        answer = self.command("credits.refund", call=number, amount=amount)
        wanted = left if amount is None else amount
        assert isinstance(answer, Refusal) == (not 0 < wanted <= left), answer
        if not isinstance(answer, Refusal):
            self.said.come("loss", call.payer.account, wanted)
            self.look(call.payer.account)
            self.charged[number] = (call, left - wanted)

    def allow(self, account: str, floor: int) -> None:
        self.look(account)
        answer = self.command("credits.allow", account=account, floor=floor)
        higher = floor - self.said.floors[account]
        assert isinstance(answer, Refusal) == (higher > max(0, self.said.free(account))), answer
        if not isinstance(answer, Refusal):
            self.said.floors[account] = floor

    def end_lots(self) -> None:
        """A round of ending what is over."""
        self.do(self.owner.lot_ends.end_due())
        self._said_lots_end()

    def _said_lots_end(self) -> None:
        for account, lots in self.said.lots.items():
            for lot in sorted(lots, key=lambda lot: lot.ends):
                if lot.ends <= self.now:
                    self.said.end_lot(account, lot)

    def hold(self, who: int, places: tuple[int, ...], words: Words, *, stream: bool | None) -> Call | None:
        """`stream`: its hold is durable when this returns. None: it has not even gone out."""
        payer = PAYERS[who]
        expected = self._hold_said(payer, places, words)
        ask = sample_request(stream=bool(stream))._replace(
            input_tokens_max=words.prompt_bytes, output_tokens_max=words.max_tokens, choices=words.choices
        )
        endpoints = [Endpoint("acme/one", SLUGS[place], "one", PRICES[place]) for place in places]
        order = tuple(Candidate(one, Provider(one.provider, "http://x"), "") for one in endpoints)
        plan = Plan("acme/one", "fastest", order, (), Deadlines())
        hold = self.do(self._ask(plan, ask, payer))
        if isinstance(expected, str):
            assert isinstance(hold, Refusal), (expected, hold)
            assert hold.code == expected
            return None
        assert not isinstance(hold, Refusal), (expected, hold)
        assert hold.amount == expected
        number, at_ms = self._numbers.next()
        bill = Waybill(number, at_ms, request_id(number))
        bill.caller, bill.payer, bill.request, bill.plan, bill.hold = sample_caller(), payer, ask, plan, hold
        bill.hold_nano_usd = hold.amount
        call = Call(bill, places, expected, self.period)
        self.said.hold(payer.account, call.subjects, call.period, expected)
        self.open.append(call)
        if stream is not None:
            self.do(self._go_out(call, durable=stream))
        return call

    def _hold_said(self, payer: Payer, places: tuple[int, ...], words: Words) -> int | str:
        """The amount, or the refusal's code."""
        endpoints = [Asked(RATES[place]) for place in places]
        lefts = [self.said.left(limit.subject, self.period, limit.nano_usd) for limit in payer.limits]
        length = words.max_tokens
        if length is None:
            self.look(payer.account)
            length = cap(endpoints, words, min([*lefts, self.said.free(payer.account)]))
        amount = max(ceiling(one, words, length) for one in endpoints)
        if any(amount > left for left in lefts):
            return "spending_limit_reached"
        self.look(payer.account)
        return amount if amount <= self.said.free(payer.account) else "credits_exhausted"

    async def _ask(self, plan: Plan, ask: Any, payer: Payer) -> Any:
        try:
            hold = self.book.hold(plan, ask, payer, self.now)
            return await hold if asyncio.iscoroutine(hold) else hold
        except Refusal as refusal:
            return refusal

    async def _go_out(self, call: Call, *, durable: bool) -> None:
        if not call.out:
            call.out = True
            call.bill.attempts.append(Attempt(SLUGS[call.place], "one", 200))
            self.owner.hold(call.bill)
        if durable:
            await self.owner.held(call.bill)
            call.written = True

    def progress(self, call: Call, pick: int, words: int) -> None:
        place = call.places[pick % len(call.places)]
        call.mark = (place, words)
        self.do(self._go_out(call, durable=True))
        self.owner.progress([Mark(call.bill.id, SLUGS[place], PRICES[place].version, words)])

    def end(self, call: Call, ended: Ended, pick: int, counted: Usage | None, words: int) -> None:
        """The call ends at one of its endpoints."""
        place = call.places[pick % len(call.places)]
        bill, amount = call.bill, call.amount
        self.open.remove(call)
        estimate = Usage(call.expected, 0, words, 0, estimated=True)
        came = self.settle(bill.hold, ended, PRICES[place], counted, estimate)
        bill.usage = counted or estimate
        bill.outcome, bill.status, bill.served_by = OUTCOMES.get(ended, Outcome.FAILED), 200, SLUGS[place]
        bill.charge_nano_usd, bill.price_version = came.charge, PRICES[place].version
        charge, overrun = self._due(ended, place, counted, call, words)
        if charge != amount:  # what is given back touches the account
            self.look(call.payer.account)
        self.do(self._file(bill, came))
        self.said.release(call.payer.account, call.subjects, call.period, amount)
        if charge is not None:
            self.said.charge(call.payer.account, call.subjects, call.period, SLUGS[place], (charge, overrun))
            self.charged[bill.id] = (call, charge)

    @staticmethod
    def _due(ended: Ended, place: int, counted: Usage | None, call: Call, words: int) -> tuple[int | None, int]:
        """Charge and overrun, as the table says; no charge at all for what is void."""
        if ended is Ended.UNSERVED or (ended is Ended.BROKEN and counted is None):
            return None, 0
        if counted is None:
            return min(call.amount, cost(RATES[place], call.expected, 0, words)), 0
        price = cost(RATES[place], *counted[:4])
        return min(price, call.amount), max(0, price - call.amount)

    async def _file(self, bill: Waybill, came: Settlement) -> None:
        bill.hold.end(came)
        await self.owner.file(bill)

    def file_again(self, number: int) -> None:
        """Applying twice is applying once."""
        call, _ = self.charged[number]

        async def again() -> None:
            try:
                await self.owner.file(call.bill)
            except Problem:
                return
            raise AssertionError("it was written twice")

        self.do(again())

    def late(self, call: Call, usage: Usage, *, durable: bool = True) -> None:
        """Real usage of a call that had expired."""
        account = call.payer.account
        self.look(account)
        number = call.bill.id
        tokens = dict(zip(("input", "cached_input", "output", "reasoning"), usage[:4], strict=True))
        answer = self.command("ledger.settle_late", call=number, **tokens)
        assert not isinstance(answer, Problem), answer
        price = cost(RATES[call.place], *usage[:4])
        charge = max(0, min(price, call.amount, self.said.free(account)))
        self.said.charge(account, call.subjects, call.period, SLUGS[call.place], (charge, price - charge))
        self.said.transfer(f"provider:{SLUGS[call.place]}", "loss", self._lost(call))
        again = self.command("ledger.settle_late", call=number, **tokens)
        assert again.again
        del self.expired[number]
        self.charged[number] = (call, charge)

    def crash(self) -> None:
        """The process ends with calls open, and another begins. Of a call that had not gone out, nobody knows."""
        for call in self.open:
            if call.out:
                self.do(self._go_out(call, durable=True))
        self.do(self.owner.close())
        left = set(self.reader.ask(lambda sql: [number for (number,) in sql.rows(OPEN)]))
        for call in self.open:
            account = call.payer.account
            self.said.release(account, call.subjects, call.period, call.amount)
            if call.bill.id not in left:
                assert not call.written, "a hold that was acknowledged is lost"
            elif call.mark is not None:
                place, words = call.mark
                charge = min(call.amount, cost(RATES[place], call.expected, 0, words))
                self.said.charge(account, call.subjects, call.period, SLUGS[place], (charge, 0))
                self.charged[call.bill.id] = (call, charge)
            else:
                self.said.transfer("loss", f"provider:{SLUGS[call.place]}", self._lost(call))
                self.expired[call.bill.id] = call
        self.open.clear()
        self.do(self._begin())
        self._said_lots_end()

    def _lost(self, call: Call) -> int:
        return cost(RATES[call.place], call.expected)

    def forget(self, keep: int) -> None:
        """Retention: only the newest calls stay."""
        self._retained += 1
        self.owner.retain(Retention(1_000_000 + self._retained, keep))
        deadline = time.monotonic() + 10
        while self.reader.ask(lambda sql: sql.value(ENDED)) > keep:
            assert time.monotonic() < deadline, "retention does not come to its end"
            time.sleep(0.002)
        self.owner.retain(Retention(None, None))
        there = set(self.reader.ask(lambda sql: [number for (number,) in sql.rows("SELECT id FROM calls")]))
        self.charged = {number: call for number, call in self.charged.items() if number in there}
        self.expired = {number: call for number, call in self.expired.items() if number in there}

    def check(self) -> None:
        """Every invariant, the disk and the memory against the oracle."""
        self.do(self.owner.run("token.used", {"uses": {}}))  # what was said before is written
        self.reader.ask(lambda sql: check_disk(self, sql))
        check_memory(self)


OPEN = "SELECT id FROM calls WHERE state = 0"
ENDED = "SELECT count(*) FROM calls WHERE state <> 0 OR state IS NULL"
