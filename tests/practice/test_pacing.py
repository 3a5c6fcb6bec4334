"""The wheel: one timer for all, nobody early, nobody forgotten, and nothing done for those who wait."""

import asyncio
import math
import resource

from practiceclient import ask, fetch, line_to, listen_to, practice, request

from waypost.practice.pacing import Wheel
from waypost.practice.profiles import SWIFT


class Sleeper:
    def __init__(self, wheel, woken):
        self.slot = 0
        self.wheel = wheel
        self.woken = woken

    def tick(self, now):
        self.woken.append((self, now))


def test_sleepers_wake_in_order_and_none_too_early(run):
    async def call():
        wheel, woken = Wheel(), []
        start = wheel.now()
        delays = (0.03, 0.001, 0.02, 0.0, 0.011, 0.011)
        sleepers = {Sleeper(wheel, woken): start + delay for delay in delays}
        for sleeper, due in sleepers.items():
            wheel.put(due, sleeper)
        while len(woken) < len(sleepers):
            await asyncio.sleep(0.001)
        assert [sleepers[one] for one, _ in woken] == sorted(sleepers.values())
        assert all(now >= sleepers[one] - 0.001 for one, now in woken)
        wheel.close()

    run(call())


def test_a_later_put_moves_and_a_dropped_one_never_wakes(run):
    async def call():
        wheel, woken = Wheel(), []
        moved, dropped, never = (Sleeper(wheel, woken) for _ in range(3))
        wheel.put(wheel.now() + 0.005, moved)
        wheel.put(wheel.now() + 0.02, moved)
        wheel.put(wheel.now() + 0.005, dropped)
        wheel.put(math.inf, never)
        wheel.drop(dropped)
        wheel.drop(dropped)
        await asyncio.sleep(0.05)
        assert [one for one, _ in woken] == [moved]
        wheel.close()

    run(call())


def test_one_who_puts_itself_again_while_waking_gets_another_turn(run):
    async def call():
        wheel, woken = Wheel(), []

        class Restless(Sleeper):
            def tick(self, now):
                super().tick(now)
                if len(woken) < 5:
                    self.wheel.put(now, self)

        wheel.put(0.0, Restless(wheel, woken))
        while len(woken) < 5:
            await asyncio.sleep(0.001)
        assert len({now for _, now in woken}) > 1
        wheel.close()

    run(call())


def test_one_that_fails_takes_nobody_with_it(run):
    async def call():
        wheel, woken, failures = Wheel(), [], []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context["exception"]))

        class Broken(Sleeper):
            def tick(self, now):
                raise RuntimeError("broken")

        due = wheel.now() + 0.005
        wheel.put(due, Broken(wheel, woken))
        wheel.put(due, Sleeper(wheel, woken))
        wheel.put(due + 0.01, Sleeper(wheel, woken))
        await asyncio.sleep(0.05)
        assert len(woken) == 2
        assert len(failures) == 1
        wheel.close()

    run(call())


def test_idle_streams_cost_nothing_while_they_wait(run, full):
    many = 5000 if full else 300

    async def call():
        async with practice((SWIFT.at_speed(100, 3600),)) as servers:
            server = servers["practice-swift"]
            lines = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(many)]
            for _, writer in lines:
                writer.write(request(ask(stream=True)))
            while server.streams < many:
                await asyncio.sleep(0.01)
            before = resource.getrusage(resource.RUSAGE_SELF)
            await asyncio.sleep(0.5)
            after = resource.getrusage(resource.RUSAGE_SELF)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            for _, writer in lines:
                writer.transport.abort()
            while server.connections:
                await asyncio.sleep(0.01)
            assert spent < 0.05
            assert (server.streams, server.desk.gone) == (0, many)

    run(call())


def test_many_paced_streams_all_arrive_whole(run):
    async def call():
        async with practice((SWIFT.at_speed(400, 0.01),)) as servers:
            server = servers["practice-swift"]

            async def one():
                async with line_to(server) as (reader, writer):
                    writer.write(request(ask("Count to 30", stream=True)))
                    return (await listen_to(reader, b"0\r\n\r\n")).text

            texts = await asyncio.gather(*(one() for _ in range(100)))
            assert set(texts) == {", ".join(map(str, range(1, 31)))}
            assert server.streams == 0
            assert (await fetch(server, ask("Reply with exactly OK"))).status == 200

    run(call())
