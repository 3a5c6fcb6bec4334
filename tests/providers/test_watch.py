"""Deadlines of many flows on one ticker."""

import asyncio
from time import perf_counter

from waypost.providers.watch import Watch


class Flow:
    def __init__(self, watch: Watch, seconds: float, *, again: float | None = None) -> None:
        self.due = perf_counter() + seconds
        self.seen: list[float] = []
        self.watch, self.again = watch, again
        watch.add(self)

    def overdue(self, now: float) -> None:
        self.seen.append(now)
        if self.again is not None and len(self.seen) == 1:
            self.due = now + self.again
        else:
            self.watch.drop(self)


def test_each_flow_is_told_when_it_is_due_and_not_before() -> None:
    async def run():
        watch = Watch(0.005)
        early, late, renewed = Flow(watch, 0.0), Flow(watch, 0.05), Flow(watch, 0.0, again=0.03)
        await asyncio.sleep(0.025)
        assert (len(early.seen), len(late.seen), len(renewed.seen)) == (1, 0, 1)
        await asyncio.sleep(0.06)
        assert (len(early.seen), len(late.seen), len(renewed.seen)) == (1, 1, 2)
        return watch

    watch = asyncio.run(run())
    assert watch._timer is None


def test_a_flow_that_ended_is_not_looked_at() -> None:
    async def run():
        watch = Watch(0.005)
        flow = Flow(watch, 0.01)
        watch.drop(flow)
        await asyncio.sleep(0.04)
        return flow

    assert asyncio.run(run()).seen == []


def test_a_flow_with_a_bug_does_not_take_the_deadlines_of_others_away(caplog) -> None:
    class Broken(Flow):
        def overdue(self, now: float) -> None:
            raise AttributeError

    async def run():
        watch = Watch(0.005)
        Broken(watch, 0.0)
        later = Flow(watch, 0.02)
        await asyncio.sleep(0.06)
        return later.seen, watch

    seen, watch = asyncio.run(run())
    assert len(seen) == 1
    assert watch._timer is None
    assert "a bug in the deadline" in caplog.text
