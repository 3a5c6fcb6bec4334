"""Credits end by themselves, on both engines."""

import asyncio
from functools import partial

import pytest
from paid_calls import CREDITS, hold_of
from sample_bills import START_MS

from waypost.domain.ledger import period_of, period_range
from waypost.store.books import Retention, StoreSettings
from waypost.store.owner import Owner
from waypost.store.reader import Reader

LEFT = "SELECT sum(remaining) FROM lots"
ENDED = "SELECT sum(amount) FROM transfers WHERE kind = 'expiry'"
MONTHS_END = period_range(period_of(START_MS))[1]


class Clock:
    def __init__(self) -> None:
        self.now = START_MS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def owner(folder, database, clock):
    """Makes one."""
    return partial(Owner, StoreSettings(folder, Retention(None, None), database, poll_seconds=0.05), clock)


@pytest.fixture
def asked(folder, database):
    """`await asked(statement)`: of the data on the disk."""
    opened = []

    def ask(statement):
        if not opened:
            opened.append(Reader(folder, database))
        return opened[0].ask(lambda sql: sql.value(statement)) or 0

    async def apart(statement):
        return await asyncio.to_thread(ask, statement)

    yield apart
    for reader in opened:
        reader.close()


async def ada(owner, *ends):
    await owner.run("user.create", {"name": "ada"})
    for amount, expires_at in ends:
        await owner.run("credits.grant", {"account": "user:1", "amount": amount, "expires_at": expires_at})


async def until(asked, statement, value):
    async with asyncio.timeout(5):
        while await asked(statement) != value:
            await asyncio.sleep(0.01)


def test_credits_whose_end_passed_while_nothing_ran_end_at_the_start(run, owner, clock, asked):
    async def story():
        first = owner()
        await ada(first, (300, START_MS + 5), (200, START_MS + 9), (50, None))
        await first.close()
        clock.now += 5
        second = owner()
        await until(asked, ENDED, 300)
        assert second.free(CREDITS) == 250
        await second.close()

    run(story())


def test_credits_end_in_the_round_of_the_minute(run, owner, clock, asked):
    async def story():
        made = owner()
        await ada(made, (300, START_MS + 5))
        clock.now += 5
        made._turning.cancel()
        made._turn_month()
        await until(asked, ENDED, 300)
        await made.close()

    run(story())


def test_what_calls_hold_stays_in_the_lot_until_the_round_after_them(run, owner, clock, asked):
    async def story():
        made = owner()
        await ada(made, (300, START_MS + 5))
        hold = await hold_of(made, 120)
        clock.now += 5
        await made.lot_ends.end_due()
        assert [await asked(ENDED), await asked(LEFT), made.free(CREDITS)] == [180, 120, 0]
        hold.void()
        assert made.free(CREDITS) == 120
        await made.lot_ends.end_due()
        assert [await asked(ENDED), await asked(LEFT), made.free(CREDITS)] == [300, 0, 0]
        await made.close()

    run(story())


def test_included_credits_end_with_the_month_and_only_who_calls_gets_the_next(run, owner, clock, asked):
    async def story():
        made = owner()
        made.standing.included = lambda account, _period: 500
        await ada(made)
        hold = await hold_of(made, 40)
        await until(asked, LEFT, 500)
        clock.now = MONTHS_END
        made._turning.cancel()
        made._turn_month()
        await until(asked, ENDED, 460)
        assert await asked("SELECT count(*) FROM transfers WHERE kind = 'included'") == 1
        assert made.free(CREDITS) == 500, "the next month's, and nothing of what the call holds"
        hold.void()
        await made.lot_ends.end_due()
        assert [await asked(ENDED), await asked(LEFT), made.free(CREDITS)] == [500, 500, 500]
        await made.close()

    run(story())


def test_a_thousand_lots_end_in_one_round(run, owner, clock, asked):
    async def story():
        made = owner()
        await made.run("user.create", {"name": "ada"})
        grant = {"account": "user:1", "amount": 2, "expires_at": START_MS + 5}
        await asyncio.gather(*(made.run("credits.grant", grant) for _ in range(1_000)))
        clock.now += 5
        await made.lot_ends.end_due()
        assert [await asked(ENDED), await asked(LEFT), made.free(CREDITS)] == [2_000, 0, 0]
        await made.close()

    run(story())


def test_a_lot_ended_by_hand_leaves_what_calls_hold(run, owner, clock, asked):
    async def story():
        made = owner()
        await ada(made, (300, START_MS + 5))
        await hold_of(made, 120)
        clock.now += 5
        (due,) = await made.order("credits.due", {})
        done = await made.run("credits.expire", {"lot": due.lot})
        assert (done.moved, made.free(CREDITS)) == ((("user:1", -180),), 0)
        await made.close()

    run(story())
