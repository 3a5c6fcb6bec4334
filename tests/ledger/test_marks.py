from __future__ import annotations

import asyncio

from waypost.ledger.marks import Marks, Pace
from waypost.store.books import Mark


class Keeper:
    def __init__(self):
        self.kept: list[Mark] = []
        self.came = asyncio.Event()

    def progress(self, kept):
        self.kept += kept
        self.came.set()


HURRIED = Pace(0.03, 0.08, 0.005)


def test_a_running_call_is_marked_after_a_while_and_again_later():
    async def run():
        keeper = Keeper()
        following = Marks(keeper, HURRIED)
        words = iter((3, 8))
        began = asyncio.get_running_loop().time()
        following.begin(7, "alpha", "v1", lambda: next(words))
        await keeper.came.wait()
        assert asyncio.get_running_loop().time() - began >= 0.03
        keeper.came.clear()
        await keeper.came.wait()
        following.end(7)
        return keeper.kept

    assert asyncio.run(run()) == [Mark(7, "alpha", "v1", 3), Mark(7, "alpha", "v1", 8)]


def test_a_short_call_leaves_no_mark():
    async def run():
        keeper = Keeper()
        following = Marks(keeper, HURRIED)
        following.begin(7, "alpha", "v1", lambda: 1)
        following.end(7)
        following.end(8)
        await asyncio.sleep(0.06)
        return keeper.kept

    assert asyncio.run(run()) == []
