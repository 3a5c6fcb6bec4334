import asyncio

import pytest
from paid_calls import bill_of
from purses import Purses, payer
from sample_bills import Bills

from waypost.domain.problems import Problem
from waypost.ledger.book import Hold
from waypost.store.books import ledger_unavailable
from waypost.store.openings import TICK_SECONDS, Openings

BILLS = Bills()


def running():
    return bill_of(BILLS, Hold(Purses(), payer(), 202611, ()))


def test_a_call_that_lasts_is_sent_by_itself_and_one_that_ends_before_is_not(run):
    async def story():
        sent = []
        openings = Openings(sent.append)
        short, long = running(), running()
        for bill in (short, long):
            openings.hold(bill, at_once=False)
        assert not openings.ended(short.id).sent
        async with asyncio.timeout(5):
            while not sent:
                await asyncio.sleep(TICK_SECONDS)
        assert [opening.bill for opening in sent] == [long]
        assert openings.ended(long.id) is sent[0]

    run(story())


def test_whoever_waits_makes_it_be_sent_and_hears_when_it_is_written(run):
    async def story():
        sent = []
        openings = Openings(sent.append)
        bill = running()
        openings.hold(bill, at_once=False)
        first, second = openings.held(bill), openings.held(bill)
        assert len(sent) == 1
        assert not first.done()
        sent[0].resolve(None)
        await asyncio.gather(first, second)
        await openings.held(bill)
        assert len(sent) == 1

    run(story())


def test_one_that_was_not_written_is_sent_again_for_the_next_who_waits(run):
    async def story():
        sent = []
        openings = Openings(sent.append)
        bill = running()
        openings.hold(bill, at_once=True)
        waiting = openings.held(bill)
        sent[0].resolve(ledger_unavailable("full"))
        with pytest.raises(Problem):
            await waiting
        again = openings.held(bill)
        assert len(sent) == 2
        sent[1].resolve(None)
        await again

    run(story())


def test_a_call_that_holds_nothing_has_nothing_to_wait_for(run):
    async def story():
        openings = Openings([].append)
        await openings.held(running())
        assert openings.ended(5) is None

    run(story())
