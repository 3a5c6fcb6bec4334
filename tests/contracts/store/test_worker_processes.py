"""The owner with real worker processes."""

import asyncio
import os
import signal
import sys
import time

import pytest
from store_staff import PROGRAM, Child

from waypost.store.books import Counter
from waypost.store.clock import unix_seconds
from waypost.store.visitor import visit

TOKEN = {"user": "ada", "name": "laptop", "kind": "write", "digest": b"d" * 32, "last4": "wxyz"}


@pytest.mark.parametrize("window", [0, 60], ids=["streams at once", "requests a minute"])
def test_a_limit_of_ten_lets_exactly_ten_of_64_in_across_four_workers(staffed, full, window):
    rounds = 1000 if full else 100

    async def story(staff):
        for number in range(rounds):
            while window and unix_seconds() % 60 > 57:
                await asyncio.sleep(0.1)  # a minute that turns meanwhile gives ten more
            granted = await staff.all_ask("take", f"round-{number}", 10, window, 16)
            assert sum(granted) == 10, f"round {number}: {granted}"

    staffed(4, story)


def test_streams_move_between_workers_and_never_exceed_the_limit(staffed, full):
    rounds = 300 if full else 40

    async def story(staff):
        for number in range(rounds):
            key, limit = f"round-{number}", 40
            held = await staff.all_ask("take", key, limit, 0, 16)
            assert sum(held) == limit, held
            first = staff.children[number % 4]
            share = held[number % 4]
            await first.ask("give", key, limit, share)
            again = await staff.children[(number + 1) % 4].ask("take", key, limit, 0, 64)
            assert again == share, (held, again)

    staffed(4, story)


def test_a_dead_workers_streams_come_back(staffed):
    async def story(staff):
        held = await staff.all_ask("take", "streams", 10, 0, 5)
        assert sum(held) == 10
        dead, alive = staff.children
        os.kill(dead.pid, signal.SIGKILL)
        await dead.process.wait()
        back = 0
        async with asyncio.timeout(5):
            while back < held[0]:
                back += await alive.ask("take", "streams", 10, 0, 10)
        assert back == held[0]
        assert staff.owner.worker_pids == [alive.pid]

    staffed(2, story)


def test_a_worker_that_starts_later_takes_a_free_number(staffed):
    async def story(staff):
        os.kill(staff.children[0].pid, signal.SIGKILL)
        while len(staff.owner.worker_pids) > 1:
            await asyncio.sleep(0.01)
        numbers = {line.number for line in staff.owner._office.workers}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            str(staff.place.folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": str(PROGRAM.parent), "PATH": "/usr/bin:/bin"},
        )
        child = Child(process)
        assert {await child.answer()} | numbers == {1, 2}
        await child.end()

    staffed(2, story)


def test_waybills_of_all_workers_are_written(staffed, reader):
    async def story(staff):
        filed = await staff.all_ask("file", 200)
        assert len({number for numbers in filed for number in numbers}) == 800
        assert reader().counts()["requests"] == 800

    staffed(4, story)


def test_a_revocation_returns_when_every_worker_knows_also_from_the_command_line(staffed):
    async def story(staff):
        await staff.owner.run("user.create", {"name": "ada"})
        token = await staff.owner.run("token.create", TOKEN)

        def revoke():
            with visit(*staff.place) as do:
                do("token.revoke", {"id": token.id})

        began = time.monotonic()
        await asyncio.to_thread(revoke)
        assert time.monotonic() - began < 1
        assert await staff.all_ask("known") == [[token.id, token.id]] * 4

    staffed(4, story)


def test_a_worker_that_stands_still_is_given_up_after_a_second_and_killed(staffed):
    async def story(staff):
        killed = []

        def kill(pid):
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

        staff.owner.on_silent(kill)
        hanging = staff.children[1]
        hanging.tell("hang", 30)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await staff.owner.run("user.create", {"name": "ada"})
        assert 0.5 < time.monotonic() - began < 3
        assert killed == [hanging.pid]
        assert await hanging.process.wait() == -signal.SIGKILL
        assert len(staff.owner.worker_pids) == 1

    staffed(2, story)


def test_a_worker_that_does_not_answer_a_recall_holds_nobody_up(staffed):
    async def story(staff):
        greedy, patient = staff.children
        while unix_seconds() % 60 > 55:
            await asyncio.sleep(0.1)
        assert await greedy.ask("take", "k", 1000, 60, 1) == 1
        greedy.tell("hang", 1)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        got = await patient.ask("take", "k", 1000, 60, 1000)
        assert 900 < got < 1000
        assert time.monotonic() - began < 0.9
        assert await greedy.answer() is None

    staffed(2, story)


def test_workers_hear_that_the_owner_has_gone(staffed):
    async def story(staff):
        (child,) = staff.children
        child.tell("until_the_owner_has_gone")
        await asyncio.sleep(0.1)
        staff.owner._office.close()
        assert await child.answer() == "gone"

    staffed(1, story)


def test_counters_of_owner_and_workers_are_one(staffed):
    async def story(staff):
        counter = Counter("k", 100, 0)
        assert (await staff.owner.take(counter, 60)).granted
        granted = await staff.all_ask("take", "k", 100, 0, 30)
        assert sum(granted) == 40
        staff.owner.give(counter, 60)
        assert await staff.children[0].ask("take", "k", 100, 0, 100) == 60

    staffed(2, story)
