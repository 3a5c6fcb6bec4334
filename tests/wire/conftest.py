"""What tests of the wire stand on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Any:
    """`run(coroutine)` as everywhere, on either kind of loop: nothing on the wire may lean on uvloop alone."""

    async def watched(coroutine: Any) -> Any:
        async with asyncio.timeout(20):
            result = await coroutine
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left running: {left}"
        return result

    def runs(coroutine: Any) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(watched(coroutine))

    return runs
