"""Very many calls through the book and the store; an oracle that knows `ledger.md` alone comes to the same nano-USD."""

import asyncio
import random

import pytest
from abacus import Abacus, Asked, Rate, Words, cap, ceiling, cost, split
from sample_bills import START_MS, sample_caller, sample_request

from waypost.domain.chat import Usage
from waypost.domain.endpoints import Deadlines, Endpoint, Provider
from waypost.domain.money import Price
from waypost.domain.payers import Payer, SpendingLimit
from waypost.domain.plans import Candidate, Plan
from waypost.domain.problems import Refusal
from waypost.domain.requests import RequestNumbers, request_id
from waypost.domain.waybill import Outcome, Waybill
from waypost.ledger.book import Book, came_to
from waypost.ledger.settlement import Ended
from waypost.providers.metering import estimate, usage_of
from waypost.store.books import Retention, StoreSettings
from waypost.store.owner import Owner
from waypost.store.reader import Reader
from waypost.store.verify import verify

USERS, ENDPOINTS, RUNNING = 20, 60, 40
PERIOD = 202609
OUTCOMES = {Ended.DONE: Outcome.DELIVERED, Ended.BROKEN: Outcome.FAILED, Ended.GONE: Outcome.LEFT}


class Shop:
    """Endpoints, payers, and calls between them, by chance."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.rates = [self.rate() for _ in range(ENDPOINTS)]
        self.endpoints = [self.endpoint(n) for n in range(ENDPOINTS)]
        self.asked = [
            Asked(rate, one.image_tokens_max, one.context_length, one.output_tokens_max)
            for rate, one in zip(self.rates, self.endpoints, strict=True)
        ]
        self.payers = [self.payer(n) for n in range(1, USERS + 1)]

    def rate(self) -> Rate:
        choose = self.choose
        dear = choose.choice((10**3, 10**6, 10**9, 10**9, 10**12))
        prices = [choose.randrange(dear) for _ in range(4)]
        return Rate(
            choose.choice((0, prices[0], prices[0])),
            prices[1],
            choose.choice((None, prices[2])),
            choose.choice((None, prices[3])),
            choose.choice((0, 0, 1, choose.randrange(10**12))),
        )

    def endpoint(self, number: int) -> Endpoint:
        choose, rate = self.choose, self.rates[number]
        price = Price(rate.input, rate.output, rate.cached, rate.reasoning, rate.request, f"v{number}")
        return Endpoint(
            "acme/one",
            f"p{number % 7}",
            "one",
            price,
            context_length=choose.choice((None, 4_096, 131_072)),
            output_tokens_max=choose.choice((None, 512, 65_536)),
            image_tokens_max=choose.choice((0, 85, 2_048)),
        )

    def payer(self, number: int) -> Payer:
        usd = 10**9
        limits = []
        if number % 3 == 0:
            limits.append(SpendingLimit(f"user:{number}", self.choose.randrange(usd, 10**6 * usd), "u"))
        if number % 2 == 0:
            limits.append(SpendingLimit(f"token:{number}", self.choose.randrange(usd, 10**6 * usd), "t"))
        return Payer("user", number, f"user{number}", f"user:{number}", limits=tuple(limits))

    def words(self) -> Words:
        choose = self.choose
        return Words(
            choose.choice((3, 200, 9_999, choose.randrange(100_000))),
            choose.choice((0, 0, 0, 1, 7)),
            choose.choice((None, 1, 100, choose.randrange(1, 20_000))),
            choose.choice((1, 1, 1, 2, 5)),
        )

    def reported(self, words: Words) -> dict | None:
        """A provider's usage: mostly about what was asked for, sometimes far above it, sometimes none."""
        choose = self.choose
        if choose.random() < 0.15:
            return None
        over = choose.choice((1, 1, 1, 40))
        prompt = choose.randrange((words.prompt_bytes + 2) * over)
        completion = choose.randrange(((words.max_tokens or 700) + 1) * over)
        told = {"prompt_tokens": prompt, "completion_tokens": completion}
        if choose.random() < 0.5:
            told["prompt_tokens_details"] = {"cached_tokens": choose.randrange(prompt + 1)}
        if choose.random() < 0.5:
            told["completion_tokens_details"] = {"reasoning_tokens": choose.randrange(completion + 1)}
        return told


class Till:
    """Plays calls on the book and the owner, and on the abacus."""

    def __init__(self, shop: Shop, owner: Owner, settle=came_to) -> None:
        self.shop, self.owner, self.settle = shop, owner, settle
        self.book = Book(owner)
        self.said = Abacus()
        self.numbers = RequestNumbers(0, lambda: START_MS)
        self.running = []
        self.filed = []
        self.ends = dict.fromkeys([*Ended, "refused", "overrun", "estimated"], 0)

    async def open_up(self) -> None:
        for payer in self.shop.payers:
            await self.owner.run("user.create", {"name": payer.name})
            rich = payer not in self.shop.payers[-4:]
            await self.grant(payer, self.shop.choose.choice((10**12, 10**14, 10**16) if rich else (10**6, 10**9)))

    async def grant(self, payer: Payer, amount: int) -> None:
        await self.owner.run("credits.grant", {"account": payer.account, "amount": amount})
        self.said.come("granted", payer.account, amount)

    async def play(self, calls: int) -> None:
        for number in range(calls):
            if number % 10 == 0:
                rich = self.shop.payers[:-4]  # the others come to an end of their credits
                await self.grant(self.shop.choose.choice(rich), self.shop.choose.randrange(1, 10**14))
            await self.begin()
            while len(self.running) >= self.shop.choose.randrange(1, RUNNING):
                self.end(*self.running.pop(self.shop.choose.randrange(len(self.running))))
            if len(self.filed) >= 256:
                await self.settle_up()
        while self.running:
            self.end(*self.running.pop())
        await self.settle_up()

    async def settle_up(self) -> None:
        await asyncio.gather(*self.filed)
        self.filed.clear()

    async def begin(self) -> None:
        choose = self.shop.choose
        places = choose.sample(range(ENDPOINTS), choose.randrange(1, 4))
        payer, words = choose.choice(self.shop.payers), self.shop.words()
        expected = self.expected(payer, [self.shop.asked[place] for place in places], words)
        order = tuple(
            Candidate(one, Provider(one.provider, "http://x"), "") for one in (self.shop.endpoints[n] for n in places)
        )
        ask = sample_request()._replace(
            input_tokens_max=words.prompt_bytes,
            images=words.images,
            output_tokens_max=words.max_tokens,
            choices=words.choices,
        )
        plan = Plan("acme/one", "fastest", order, (), Deadlines())
        try:
            hold = self.book.hold(plan, ask, payer, START_MS)
            hold = await hold if asyncio.iscoroutine(hold) else hold
        except Refusal:
            assert expected is None
            self.ends["refused"] += 1
            return
        assert hold.amount == expected
        bill = self.bill(payer, ask, plan, hold)
        self.owner.hold(bill)
        subjects = [limit.subject for limit in payer.limits]
        self.said.hold(payer.account, subjects, PERIOD, expected)
        self.running.append((bill, places[0], words, subjects))

    def bill(self, payer, ask, plan, hold) -> Waybill:
        number, at_ms = self.numbers.next()
        bill = Waybill(number, at_ms, request_id(number), caller=sample_caller(payer.id))
        bill.payer, bill.request, bill.plan, bill.hold, bill.hold_nano_usd = payer, ask, plan, hold, hold.amount
        return bill

    def expected(self, payer: Payer, asked: list[Asked], words: Words) -> int | None:
        lefts = [self.said.left(limit.subject, PERIOD, limit.nano_usd) for limit in payer.limits]
        free = min([*lefts, self.said.free(payer.account)])
        length = words.max_tokens
        if length is None:
            length = cap(asked, words, free)
        amount = max(ceiling(one, words, length) for one in asked)
        return amount if amount <= free else None

    def end(self, bill: Waybill, place: int, words: Words, subjects: list[str]) -> None:
        ended = self.shop.choose.choice((Ended.DONE, Ended.DONE, Ended.DONE, *Ended))
        reported, said = self.shop.reported(words), self.shop.choose.randrange(2_000)
        endpoint, held = self.shop.endpoints[place], bill.hold.amount
        came = self.settle(bill.hold, ended, endpoint.price, usage_of(reported), estimate(bill.request, said))
        charge, overrun = self.due(ended, place, reported, (held, max(1, words.prompt_bytes // 4), said))
        assert (came.charge, came.overrun) == (charge, overrun)
        bill.hold.end(came)
        bill.outcome, bill.status, bill.served_by = OUTCOMES.get(ended, Outcome.FAILED), 200, endpoint.provider
        bill.usage = came.usage or Usage(0, 0, 0, 0)
        bill.charge_nano_usd, bill.price_version = came.charge, endpoint.price.version
        self.filed.append(self.owner.file(bill))
        self.said.release(bill.payer.account, subjects, PERIOD, held)
        self.said.charge(bill.payer.account, subjects, PERIOD, endpoint.provider, (charge, overrun))
        self.ends[ended] += 1
        self.ends["overrun"] += overrun > 0
        self.ends["estimated"] += reported is None

    def due(self, ended: Ended, place: int, reported: dict | None, known: tuple[int, int, int]) -> tuple[int, int]:
        """The table of `ledger.md`."""
        held, prompt, said = known
        rate = self.shop.rates[place]
        if ended is Ended.UNSERVED or (ended is Ended.BROKEN and reported is None):
            return 0, 0
        if reported is None:
            return min(held, cost(rate, prompt, 0, said)), 0
        cached = reported.get("prompt_tokens_details", {}).get("cached_tokens", 0)
        reasoned = reported.get("completion_tokens_details", {}).get("reasoning_tokens", 0)
        exact = cost(rate, *split(reported["prompt_tokens"], reported["completion_tokens"], cached, reasoned))
        return min(held, exact), max(0, exact - held)


def books_of(sql) -> tuple[dict, dict]:
    balances = dict(sql.rows("SELECT name, posted FROM accounts WHERE posted <> 0"))
    return balances, {tuple(row[:2]): row[2] for row in sql.rows("SELECT subject, period, used FROM spending")}


def played(run, place, calls: int, settle=came_to) -> Till:
    """A day's calls; everything the store says at its end is what the abacus says."""

    async def story() -> Till:
        owner = Owner(StoreSettings(place.folder, Retention(None, None), place.database), lambda: START_MS)
        try:
            till = Till(Shop(calls), owner, settle)
            await till.open_up()
            await till.play(calls)
        finally:
            await owner.close()
        return till

    till = run(story(), 1800)
    reader = Reader(*place)
    try:
        assert reader.ask(lambda sql: list(verify(sql, ()))) == []
        balances, spending = reader.ask(books_of)
    finally:
        reader.close()
    assert balances == {name: amount for name, amount in till.said.posted.items() if amount}
    assert {key: used for key, used in spending.items() if used} == {
        k: used for k, used in till.said.spent.items() if used
    }
    assert not any(till.said.held.values())
    for payer in till.shop.payers:
        tally = till.owner.counters._standing[f"credits:{payer.account}"]
        assert tally.free(0) == till.said.free(payer.account)
    return till


@pytest.mark.timeout(1800)  # for the long form
def test_the_difference_is_nothing_after_very_many_calls(run, place, full) -> None:
    till = played(run, place, 100_000 if full else 2_000)
    assert till.ends["refused"] < (50_000 if full else 1_000)
    assert all(count > 20 for count in till.ends.values()), till.ends


def floats(hold, ended, price, counted, delivered):
    """A mutant that counts as people do."""
    came = came_to(hold, ended, price, counted, delivered)
    usage = came.usage
    if usage is None or came.charge == hold.amount:
        return came
    read = usage.input * price.input / 1e6 + usage.cached_input * (price.cached_input or price.input) / 1e6
    return came._replace(
        charge=round(read + (usage.output + usage.reasoning) * price.output / 1e6 + price.request / 1e6)
    )


def test_a_ledger_that_rounds_as_floats_do_is_found_out(run, place) -> None:
    with pytest.raises(AssertionError):
        played(run, place, 500, floats)
