"""A worker process for tests: does what it reads on stdin, one JSON line each, and answers each with one on stdout."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from paid_calls import PRICE, bill_of, end, hold_of, take
from sample_bills import START_MS, Bills

from waypost.domain.requests import RequestNumbers
from waypost.store.books import STANDING, Counter, Mark
from waypost.store.clock import unix_ms
from waypost.store.link import OwnerLink


class Worker:
    """The link and what it has heard."""

    def __init__(self, link: OwnerLink) -> None:
        self.link = link
        self.heard: list[str] = []
        self.revoked: list[int] = []
        self.paid: list[Counter] = []
        self.amount = 0
        link.on_changes(
            lambda changes: self.revoked.extend(change.id for change in changes if change.subject == "token")
        )

    async def take(self, key: str, limit: int, window: int, times: int) -> int:
        counter = Counter(key, limit, window)

        async def one() -> bool:
            verdict = self.link.try_take(counter, 1)
            return (verdict or await self.link.take(counter, 1)).granted

        return sum(await asyncio.gather(*[one() for _ in range(times)]))

    async def pay(self, key: str, amount: int, times: int) -> int:
        """Take credits so many times at once, and give them back when nobody asks any more."""
        counter = Counter(key, 0, STANDING)
        granted = sum(await asyncio.gather(*[take(self.link, counter, amount) for _ in range(times)]))
        self.paid += [counter] * granted
        self.amount = amount
        return granted

    async def pay_back(self) -> int:
        while self.paid:
            self.link.give(self.paid.pop(), self.amount)
        await self.link.run("token.used", {"uses": {}})
        return 0

    async def call(self, times: int, hold: int, charge: int) -> int:
        """So many paid calls one after another, each with its own hold; says what was charged."""
        bills, charged = Bills(unix_ms(), self.link.writer), 0
        for _ in range(times):
            held = await hold_of(self.link, hold)
            if held is None:
                break
            bill = bill_of(bills, held)
            self.link.hold(bill)
            await self.link.file(end(bill, charge))
            charged += charge
        return charged

    async def open(self, times: int, hold: int) -> int:
        """So many calls that run and never end."""
        bills = Bills(unix_ms(), self.link.writer)
        made = [bill_of(bills, held) for _ in range(times) if (held := await hold_of(self.link, hold))]
        for bill in made:
            self.link.hold(bill)
        await asyncio.gather(*map(self.link.held, made))
        if made:
            self.link.progress([Mark(made[0].id, "alpha", PRICE.version, 10)])
            await self.link.run("token.used", {"uses": {}})
        return len(made)

    async def claim(self, key: str) -> str:
        """Claim a key for a call of this process that is not known to the books."""
        number, _ = RequestNumbers(self.link.writer, unix_ms).next()
        claim = {"user": 1, "key": key.encode().ljust(32), "body": b"b" * 32, "call": number}
        return (await self.link.run("keyed.claim", claim))["state"]

    async def give(self, key: str, limit: int, times: int) -> int:
        for _ in range(times):
            self.link.give(Counter(key, limit, 0), 1)
        await self.link.run("token.used", {"uses": {}})  # what was said before it has arrived
        return times

    async def file(self, count: int) -> list[int]:
        bills = Bills(START_MS, self.link.writer).some(count)
        await asyncio.gather(*map(self.link.file, bills))
        return [bill.id for bill in bills]

    async def known(self) -> list[int]:
        return self.revoked

    async def hang(self, seconds: float) -> None:
        time.sleep(seconds)  # on purpose: the whole process stands still

    async def until_the_owner_has_gone(self) -> str:
        gone = asyncio.Event()
        self.link.on_owner_gone(gone.set)
        await gone.wait()
        return "gone"


async def main(folder: Path) -> None:
    worker = Worker(await OwnerLink.connect(folder))
    say(worker.link.writer)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, *args = json.loads(line)
        say(await getattr(worker, name)(*args))
    await worker.link.close()


def say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
