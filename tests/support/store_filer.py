"""Files waybills as fast as it can and prints the number of each only when it is told to be on the disk."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop
from sample_bills import Bills

from waypost.store.books import StoreSettings
from waypost.store.owner import Owner


async def main(folder: Path, start_ms: int, database: str | None) -> None:
    owner = Owner(StoreSettings(folder, database=database))
    bills = Bills(start_ms)

    async def one_after_another() -> None:
        while True:
            bill = bills.bill()
            await owner.file(bill)
            sys.stdout.write(f"{bill.id}\n")
            sys.stdout.flush()

    await asyncio.gather(*[one_after_another() for _ in range(20)])


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None))
