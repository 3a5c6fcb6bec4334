"""Files waybills as fast as it can and prints the number of each only when it is told to be on the disk.

Every second call is paid with credits: its hold comes to the disk before its end, or with it.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

import uvloop
from paid_calls import bill_of, end, hold_of
from sample_bills import Bills

from waypost.domain.problems import Problem
from waypost.domain.waybill import Waybill
from waypost.store.books import StoreSettings
from waypost.store.owner import Owner

GRANT, HOLD, CHARGE = 10_000_000, 400, 250


async def main(folder: Path, start_ms: int, database: str | None) -> None:
    owner = Owner(StoreSettings(folder, database=database))
    bills = Bills(start_ms)
    with suppress(Problem):  # the process before was killed, and had made her
        await owner.run("user.create", {"name": "ada"})
    await owner.run("credits.grant", {"account": "user:1", "amount": GRANT})

    async def paid() -> Waybill:
        hold = await hold_of(owner, HOLD)
        assert hold is not None
        bill = bill_of(bills, hold)
        owner.hold(bill)
        if bill.id % 3:
            await owner.held(bill)
            await asyncio.sleep(0.001 * (bill.id % 7))
        return end(bill, CHARGE)

    async def one_after_another() -> None:
        while True:
            free = bills.bill()
            for bill in (free, await paid()):
                await owner.file(bill)
                sys.stdout.write(f"{bill.id}\n")
                sys.stdout.flush()

    await asyncio.gather(*[one_after_another() for _ in range(20)])


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None))
