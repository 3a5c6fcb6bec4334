"""What a command takes away, no call is given meanwhile; what calls hold, no command takes."""

import asyncio

from paid_calls import CREDITS, ada, bill_of, hold_of
from sample_bills import START_MS

from waypost.domain.ledger import HoldState
from waypost.store.books import StoreSettings
from waypost.store.owner import Owner

USAGE = {"input": 100, "cached_input": 0, "output": 200, "reasoning": 0}


async def opened(folder):
    return Owner(StoreSettings(folder, poll_seconds=0.05), lambda: START_MS)


def test_what_is_taken_back_leaves_what_calls_hold(run, folder):
    async def story():
        owner = await opened(folder)
        await ada(owner, 1_000)
        hold = await hold_of(owner, 400)
        done = await owner.run("credits.adjust", {"account": "user:1", "amount": -900})
        assert (done.balance, owner.free(CREDITS)) == (400, 0)
        hold.void()
        assert owner.free(CREDITS) == 400
        await owner.close()

    run(story())


def test_no_call_is_given_what_a_command_is_about_to_take(run, folder):
    async def story():
        owner = await opened(folder)
        await ada(owner, 1_000)
        running = asyncio.ensure_future(owner.run("credits.adjust", {"account": "user:1", "amount": -900}))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [await hold_of(owner, 101), owner.free(CREDITS)] == [None, 100]
        assert (await running).balance == 100
        assert owner.free(CREDITS) == 100
        await owner.close()

    run(story())


def test_a_refused_command_puts_back_what_was_set_aside(run, folder):
    async def story():
        owner = await opened(folder)
        await ada(owner, 1_000)
        long = {"account": "user:1", "amount": -900, "note": "x" * 501}
        (refusal,) = await asyncio.gather(owner.run("credits.adjust", long), return_exceptions=True)
        assert (refusal.code, owner.free(CREDITS)) == ("invalid_request", 1_000)
        await owner.close()

    run(story())


def test_late_usage_takes_at_most_what_is_free(run, folder, bills, reader):
    async def left_open():
        owner = await opened(folder)
        await ada(owner, 1_000)
        bill = bill_of(bills, await hold_of(owner, 900))
        owner.hold(bill)
        await owner.held(bill)
        await owner.close()
        return bill.id

    async def late(call):
        owner = await opened(folder)
        running = await hold_of(owner, 800)
        done = await owner.run("ledger.settle_late", {"call": call, **USAGE})
        assert (done.balance, owner.free(CREDITS)) == (800, 0), "500 it cost, 200 were free"
        assert (await owner.run("ledger.settle_late", {"call": call, **USAGE})).again
        running.void()
        assert owner.free(CREDITS) == 800
        await owner.close()

    call = run(left_open())
    run(late(call))
    settled = "SELECT state, charge_nano_usd, overrun_nano_usd FROM calls"
    assert reader().ask(lambda sql: sql.rows(settled)) == [(HoldState.SETTLED, 200, 300)]
