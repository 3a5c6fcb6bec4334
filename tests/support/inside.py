"""A whole serving process in the test's own loop, so that a test sees every byte, object and turn of it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from wire_site import Client

from waypost.app import ServingProcess
from waypost.crew import bind, first_steps, include_credits, open_folder, store_settings
from waypost.settings import load
from waypost.store.owner import Owner
from waypost.store.reader import Reader


class Inside(NamedTuple):
    """What runs, and the first token."""

    serving: ServingProcess
    token: str
    port: int

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()


@asynccontextmanager
async def inside(
    folder: Path, settings_text: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Inside]:
    """The parts that `crew.Crew` puts together for one worker."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "waypost.toml"
    config.write_text(settings_text)
    settings = load(config, environment or {}, {"store.data_folder": str(folder / "data"), "server.port": 0})
    pepper = open_folder(settings.data_folder)
    sock = bind("127.0.0.1", 0)
    owner = Owner(store_settings(settings))
    reader = Reader(settings.data_folder)
    include_credits(owner, reader, settings)
    _, token = await first_steps(owner, reader, pepper, settings.tokens.prefix)
    serving = ServingProcess(settings, owner, reader, pepper, None)
    thresholds = gc.get_threshold()
    await serving.listen(sock)
    try:
        yield Inside(serving, token or "", sock.getsockname()[1])
    finally:
        assert await serving.drain() == 0, "a call had to be cut"
        await serving.close()
        await owner.close()
        gc.unfreeze()  # what serving does for itself must not stay for the tests after this one
        gc.set_threshold(*thresholds)
