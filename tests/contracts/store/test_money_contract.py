"""What every store promises about money, whichever way it is reached, on every engine."""

import asyncio
from dataclasses import replace

import pytest
from paid_calls import CREDITS, OPEN, PRICE, ada, balances, bill_of, broken, end, hold_of, take
from sample_bills import sample_payer
from unguarded import Unguarded

from waypost.domain.ledger import period_of
from waypost.domain.payers import SpendingLimit
from waypost.domain.problems import Problem
from waypost.store.books import Filters, Mark, Retention
from waypost.store.clock import unix_ms
from waypost.store.owner import Owner


@pytest.fixture
def asked(reader):
    """`asked(question)`: of the data as it is on the disk."""
    return lambda question: reader().ask(question)


async def free(books) -> int:
    """What is free when nothing is on its way."""
    await books.run("token.used", {"uses": {}})
    return (await books.take(CREDITS, 1 << 60)).remaining


def test_a_settled_call_moves_its_charge_and_gives_back_the_rest(run, open_books, place, bills, asked):
    async def story():
        async with open_books(place) as books:
            await ada(books, 1000)
            bill = bill_of(bills, await hold_of(books, 400))
            books.hold(bill)
            assert await free(books) == 600
            await books.file(end(bill, 250))
            assert await free(books) == 750
            return bill

    bill = run(story())
    assert asked(balances) == {"user:1": 750, "provider:alpha": 250, "granted": -1000}
    assert asked(broken) == []
    (found,) = asked(lambda sql: sql.rows("SELECT hold_nano_usd, charge_nano_usd, state, period FROM calls"))
    assert found == (400, 250, 1, period_of(unix_ms()))
    assert asked(lambda sql: sql.value("SELECT period_used FROM accounts WHERE name = 'user:1'")) == 250
    assert asked(lambda sql: sql.rows("SELECT version, input, output FROM prices")) == [(PRICE.version, *PRICE[:2])]
    assert bill.hold.taken == 250


def test_a_void_call_costs_nothing(run, open_books, place, bills, asked):
    async def story():
        async with open_books(place) as books:
            await ada(books, 1000)
            bill = bill_of(bills, await hold_of(books, 400))
            books.hold(bill)
            await books.held(bill)
            bill.hold.void()
            await books.file(bill)
            assert await free(books) == 1000

    run(story())
    assert asked(balances) == {"user:1": 1000, "granted": -1000}
    assert asked(lambda sql: sql.rows("SELECT state, charge_nano_usd FROM calls")) == [(2, 0)]


def test_what_is_above_the_hold_is_the_operators_loss(run, open_books, place, bills, asked):
    async def story():
        async with open_books(place) as books:
            await ada(books, 1000)
            await books.file(end(bill_of(bills, await hold_of(books, 400)), 400, overrun=33))

    run(story())
    assert asked(balances) == {"user:1": 600, "provider:alpha": 433, "granted": -1000, "overrun": -33}
    assert asked(broken) == []


def test_a_call_that_runs_can_be_found_but_is_not_listed_until_it_has_ended(run, open_books, place, bills, reader):
    async def story():
        async with open_books(place) as books:
            await ada(books, 1000)
            bill = bill_of(bills, await hold_of(books, 400), stream=True)
            books.hold(bill)
            await books.held(bill)
            await books.held(bill)
            found = reader().find(bill.id)
            assert (found["outcome"], found["hold_nano_usd"], found["usage"]) == ("open", 400, None)
            assert reader().page(Filters()).items == []
            assert reader().page(Filters(user="ada")).items == []
            assert reader().counts()["requests"] == 0
            await books.file(end(bill, 10))
            (listed,) = reader().page(Filters(user="ada")).items
            assert (listed["outcome"], listed["charge_nano_usd"], listed["usage"]["output"]) == ("delivered", 10, 200)
            assert reader().counts()["requests"] == 1

    run(story())


def test_a_call_that_lasts_is_written_although_nobody_waits_for_it(run, open_books, place, bills, asked):
    async def story():
        async with open_books(place) as books:
            await ada(books, 1000)
            bill = bill_of(bills, await hold_of(books, 400))
            books.hold(bill)
            async with asyncio.timeout(5):
                while await asyncio.to_thread(asked, lambda sql: sql.value(OPEN)) == 0:
                    await asyncio.sleep(0.01)
            await books.file(end(bill, 10))

    run(story())
    assert asked(lambda sql: sql.value(OPEN)) == 0
    assert asked(broken) == []


def test_a_waybill_that_was_filed_already_is_charged_once(run, open_books, place, bills, asked):
    async def story():
        async with open_books(place) as books:
            await ada(books, 1000)
            bill = end(bill_of(bills, await hold_of(books, 400)), 250)
            await books.file(bill)
            with pytest.raises(Problem):
                await books.file(bill)

    run(story())
    assert asked(balances)["user:1"] == 750
    assert asked(broken) == []


def test_a_months_spending_is_counted_and_still_known_after_a_restart(run, open_books, place, bills, asked):
    payer = replace(sample_payer(), limits=(SpendingLimit("org:3", 500, "o"), SpendingLimit("token:9", 300, "t")))

    async def story():
        async with open_books(place) as books:
            await ada(books, 1000)
            await books.file(end(bill_of(bills, await hold_of(books, 300, payer)), 200))
            assert await hold_of(books, 101, payer) is None
            refused = await hold_of(books, 100, payer)
            refused.void()

    async def later():
        async with open_books(place) as books:
            assert await hold_of(books, 101, payer) is None
            assert await free(books) == 800
            assert await hold_of(books, 100, payer) is not None

    run(story())
    month = period_of(unix_ms())
    spent = "SELECT subject, period, used FROM spending ORDER BY subject"
    assert asked(lambda sql: sql.rows(spent)) == [("org:3", month, 200), ("token:9", month, 200)]
    run(later())


def test_what_a_process_left_open_is_swept_at_the_next_start(run, open_books, place, bills, reader):
    payer = replace(sample_payer(), limits=(SpendingLimit("token:9", 5000, "t"),))

    async def left_open():
        async with open_books(place) as books:
            await ada(books, 10_000)
            made = [bill_of(bills, await hold_of(books, amount, payer)) for amount in (1000, 1000, 30)]
            for bill in made:
                books.hold(bill)
            await asyncio.gather(*map(books.held, made))
            marked, _, short = made
            books.progress([Mark(marked.id, "beta", PRICE.version, 7), Mark(marked.id, "beta", PRICE.version, 70)])
            books.progress([Mark(short.id, "alpha", PRICE.version, 7000)])
            await books.run("token.used", {"uses": {}})
            return made

    async def later():
        async with open_books(place) as books:
            return await free(books)

    marked, unmarked, short = run(left_open())
    assert run(later()) == 10_000 - 25 - 140 - 30
    assert reader().ask(lambda sql: sql.value(OPEN)) == 0
    assert reader().ask(broken) == []
    found = reader().find(marked.id)
    assert (found["outcome"], found["code"], found["charge_nano_usd"]) == ("failed", "interrupted", 25 + 140)
    assert found["served_by"] is None
    assert "ended before" in found["why"]
    assert found["usage"] == {"input": 25, "cached_input": 0, "output": 70, "reasoning": 0, "estimated": True}
    assert reader().find(short.id)["charge_nano_usd"] == 30, "never above the hold"
    assert reader().find(unmarked.id)["charge_nano_usd"] == 0
    assert reader().ask(balances) == {
        "user:1": 10_000 - 195,
        "granted": -10_000,
        "provider:beta": 165,
        "provider:alpha": 30 + 25,
        "loss": -25,
    }
    assert reader().ask(lambda sql: sql.value("SELECT used FROM spending WHERE subject = 'token:9'")) == 195


def test_credits_that_end_pay_first(run, open_books, place, bills, asked):
    async def story():
        async with open_books(place) as books:
            await ada(books, 1000)
            for end_ms in (3 << 41, 2 << 41):
                await books.run("credits.grant", {"account": "user:1", "amount": 100, "expires_at": end_ms})
            for charge in (30, 90):
                await books.file(end(bill_of(bills, await hold_of(books, 400)), charge))

    run(story())
    assert asked(lambda sql: sql.rows("SELECT remaining FROM lots ORDER BY expires_at")) == [(0,), (80,)]


def test_credits_that_come_and_go_by_command_count_at_once(run, open_books, place):
    async def story():
        async with open_books(place) as books:
            await ada(books, 100)
            assert await free(books) == 100
            await books.run("credits.topup", {"account": "user:1", "amount": 50, "outside_id": "pay-1"})
            await books.run("credits.topup", {"account": "user:1", "amount": 50, "outside_id": "pay-1"})
            assert await free(books) == 150
            hold = await hold_of(books, 120)
            await books.run("credits.adjust", {"account": "user:1", "amount": -90})
            assert await free(books) == 0, "what a call holds stays held, and the operator bears the rest"
            hold.void()
            assert await free(books) == 120
            await books.run("credits.allow", {"account": "user:1", "floor": -500})
            assert await free(books) == 620

    run(story())


def test_an_end_that_the_disk_did_not_take_leaves_nothing_open_and_nothing_charged(
    run, open_books, place, bills, outage, asked
):
    async def story():
        async with open_books(place) as books:
            await ada(books, 1000)
            first, second = [bill_of(bills, await hold_of(books, 100), stream=True) for _ in range(2)]
            books.hold(first)
            await books.held(first)
            outage.begin()
            books.hold(second)
            for waiting in (books.file(end(first, 60)), books.held(second)):
                with pytest.raises(Problem):
                    await waiting
            for bill in (first, second):
                bill.hold.void()
            with pytest.raises(Problem):
                await books.file(second)
            outage.end()
            async with asyncio.timeout(10):
                while books.trouble is not None or asked(lambda sql: sql.value(OPEN)):
                    await asyncio.sleep(0.02)
            assert await free(books) == 1000
            await books.file(end(bill_of(bills, await hold_of(books, 100)), 60))

    run(story())
    assert asked(balances)["user:1"] == 940
    assert asked(broken) == []
    assert asked(lambda sql: sorted(state for (state,) in sql.rows("SELECT state FROM calls"))) == [1, 2]


def test_an_end_that_no_table_takes_is_void_as_well(run, open_books, place, bills, asked):
    async def story():
        async with open_books(place) as books:
            await ada(books, 1000)
            bill = bill_of(bills, await hold_of(books, 100))
            books.hold(bill)
            await books.held(bill)
            end(bill, 60).status = 10**6
            with pytest.raises(Problem):
                await books.file(bill)
            bill.hold.void()
            async with asyncio.timeout(10):
                while asked(lambda sql: sql.value(OPEN)):
                    await asyncio.sleep(0.02)
            assert await free(books) == 1000

    run(story())
    assert asked(balances)["user:1"] == 1000
    assert asked(broken) == []


def test_a_months_included_credits_are_there_with_the_first_call_and_given_once(run, place, told, asked):
    async def story():
        owner = Owner(told(place))
        try:
            await owner.run("user.create", {"name": "ada"})
            owner.standing.included = lambda account, period: 500
            assert owner.free(CREDITS) == 500
            assert owner.try_take(CREDITS, 100).remaining == 400
            await owner.run("token.used", {"uses": {}})
            assert owner.free(CREDITS) == 400
        finally:
            await owner.close()

    run(story())
    assert asked(balances) == {"user:1": 500, "granted": -500}

    async def later():
        owner = Owner(told(place))
        owner.standing.included = lambda account, period: 500
        assert owner.free(CREDITS) == 500
        await owner.close()

    run(later())


def test_charges_of_deleted_waybills_are_carried_forward_and_open_calls_stay(run, place, told, bills, reader):
    async def story():
        owner = Owner(told(place))
        await ada(owner, 1000)
        for charge, overrun in ((10, 0), (20, 5), (30, 0)):
            await owner.file(end(bill_of(bills, await hold_of(owner, 50)), charge, overrun))
        await owner.close()
        owner = Owner(told(place)._replace(retention=Retention(None, 0)))
        running = bill_of(bills, await hold_of(owner, 50), stream=True)
        owner.hold(running)
        await owner.held(running)
        async with asyncio.timeout(10):
            while reader().counts()["requests"]:
                await asyncio.sleep(0.02)
        assert reader().find(running.id)["outcome"] == "open"
        assert reader().ask(broken) == []
        carried = "SELECT amount FROM transfers WHERE kind = 'carried' ORDER BY amount"
        assert reader().ask(lambda sql: sql.rows(carried)) == [(5,), (60,)]
        assert owner.free(CREDITS) == 1000 - 60 - 50
        await owner.file(end(running, 1))
        await owner.close()

    run(story())
    assert reader().ask(balances) == {"user:1": 939, "provider:alpha": 66, "granted": -1000, "overrun": -5}
    assert reader().ask(broken) == []


async def granted_of_64(books, counters) -> int:
    counters.moved(CREDITS.key, 73)
    granted = await asyncio.gather(*[take(books, CREDITS, 7) for _ in range(64)])
    for _ in range(sum(granted)):
        books.give(CREDITS, 7)
    counters.moved(CREDITS.key, -73)
    return sum(granted)


def test_of_64_at_once_exactly_those_get_credits_that_there_are_credits_for(run, place, told, full):
    async def story():
        owner = Owner(told(place))
        try:
            for _ in range(200 if full else 20):
                assert await granted_of_64(owner, owner.counters) == 10
            owner.counters = Unguarded(lambda: 0.0, owner._office, owner.standing)
            assert await granted_of_64(owner, owner.counters) == 64, "without the guard the test would show it"
        finally:
            await owner.close()

    run(story())
