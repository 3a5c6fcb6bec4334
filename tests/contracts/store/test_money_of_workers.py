"""Several worker processes spend the same credits, and never more than there are."""

import asyncio
import os
import signal

from paid_calls import CREDITS, OPEN, ada, balances, broken
from unguarded import Unguarded

from waypost.store.clock import unix_ms

WORKERS = 4


async def granted_of_64(staff, key: str) -> list[int]:
    staff.owner.counters.moved(key, 73)
    return await staff.all_ask("pay", key, 7, 16)


def test_of_64_at_once_exactly_those_get_credits_that_there_are_credits_for(staffed, full):
    async def story(staff):
        for number in range(200 if full else 20):
            granted = await granted_of_64(staff, f"credits:user:{number + 1}")
            assert sum(granted) == 10, f"round {number}: {granted}"
        await staff.all_ask("pay_back")
        assert sum(await granted_of_64(staff, "credits:user:1")) == 20, "what was given back can be taken again"
        owner = staff.owner
        workers = owner.counters.workers
        owner.counters = Unguarded(lambda: 0.0, owner._office, owner.standing)
        owner.counters.workers = workers
        assert sum(await granted_of_64(staff, "credits:user:999")) > 10, "without the guard the test would show it"

    staffed(WORKERS, story)


def test_what_workers_spend_is_what_stands_on_the_disk(staffed, reader):
    async def story(staff):
        await ada(staff.owner, 100_000)
        charged = sum(await staff.all_ask("call", 100, 900, 333))
        assert 100_000 - WORKERS * 900 < charged <= 100_000, "until what is left does not cover another hold"
        assert (await staff.owner.take(CREDITS, 1 << 60)).remaining == 100_000 - charged
        assert reader().ask(balances) == {"user:1": 100_000 - charged, "provider:alpha": charged, "granted": -100_000}
        assert reader().ask(broken) == []

    staffed(WORKERS, story)


def test_a_dead_workers_open_calls_are_swept_and_what_it_held_is_free(staffed, reader):
    async def story(staff):
        owner = staff.owner
        await ada(owner, 10_000)
        dead, alive = staff.children
        assert await dead.ask("open", 3, 1000) == 3
        assert await dead.ask("pay", CREDITS.key, 500, 2) == 2
        assert await alive.ask("open", 2, 1000) == 2
        os.kill(dead.pid, signal.SIGKILL)
        await dead.process.wait()
        async with asyncio.timeout(5):
            while reader().ask(lambda sql: sql.value(OPEN)) != 2:
                await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            while (await owner.take(CREDITS, 1 << 60)).remaining != 10_000 - 2000 - 45:
                await asyncio.sleep(0.02)
        assert reader().ask(balances)["user:1"] == 10_000 - 45
        assert reader().ask(broken) == []
        assert owner.living_epochs == {owner._writer.epoch, *(line.epoch for line in owner._office.workers)}

    staffed(2, story)


def test_credits_that_end_are_called_back_from_workers_and_what_their_calls_hold_stays(staffed, reader):
    async def story(staff):
        owner = staff.owner
        await owner.run("user.create", {"name": "ada"})
        end = unix_ms() + 1_000
        await owner.run("credits.grant", {"account": "user:1", "amount": 10_000, "expires_at": end})
        assert await staff.all_ask("pay", CREDITS.key, 100, 3) == [3] * 2, "and each has a slice beside that"
        while unix_ms() < end:
            await staff.all_ask("pay", CREDITS.key, 100, 0)
            await asyncio.sleep(0.05)
        await owner.lot_ends.end_due()
        left = "SELECT sum(remaining) FROM lots"
        assert reader().ask(lambda sql: sql.value(left)) == 600
        await staff.all_ask("pay_back")
        await owner.lot_ends.end_due()
        assert reader().ask(lambda sql: sql.value(left)) == 0
        assert (await owner.take(CREDITS, 1)).granted is False
        assert reader().ask(broken) == []

    staffed(2, story)


def test_keys_that_a_dead_workers_calls_claimed_are_free_and_those_of_others_are_not(staffed):
    async def story(staff):
        await staff.owner.run("user.create", {"name": "ada"})
        dead, alive = staff.children
        assert [await dead.ask("claim", "one"), await alive.ask("claim", "two")] == ["yours"] * 2
        assert [await alive.ask("claim", "one"), await alive.ask("claim", "two")] == ["running"] * 2
        os.kill(dead.pid, signal.SIGKILL)
        await dead.process.wait()
        async with asyncio.timeout(5):
            while await alive.ask("claim", "one") == "running":
                await asyncio.sleep(0.02)
        assert await alive.ask("claim", "two") == "running"

    staffed(2, story)
