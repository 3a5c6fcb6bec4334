"""An owner with real worker processes, for tests of the store."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from waypost.store.books import StoreSettings
from waypost.store.owner import Owner

PROGRAM = Path(__file__).with_name("store_worker.py")


class Child:
    """A worker process, asked and answered in JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid

    async def ask(self, name: str, *args: Any) -> Any:
        self.tell(name, *args)
        return await self.answer()

    def tell(self, name: str, *args: Any) -> None:
        self.process.stdin.write(json.dumps([name, *args]).encode() + b"\n")

    async def answer(self) -> Any:
        return json.loads(await self.process.stdout.readline())

    async def end(self) -> None:
        self.process.stdin.close()
        await self.process.wait()


class Staff:
    """An owner and its workers."""

    def __init__(self, place: Any) -> None:
        self.place = place
        self.owner = Owner(StoreSettings(place.folder, database=place.database, poll_seconds=0.05))
        self.children: list[Child] = []

    async def start(self, count: int) -> None:
        await self.owner.listen()
        for _ in range(count):
            environment = {"PYTHONPATH": str(PROGRAM.parent), "PATH": "/usr/bin:/bin"}
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(PROGRAM),
                str(self.place.folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
            )
            self.children.append(Child(process))
        assert sorted([await child.answer() for child in self.children]) == list(range(1, count + 1))

    async def all_ask(self, name: str, *args: Any) -> list[Any]:
        return list(await asyncio.gather(*[child.ask(name, *args) for child in self.children]))

    async def stop(self) -> None:
        for child in self.children:
            await child.end()
        await self.owner.close()
