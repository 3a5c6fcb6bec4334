"""Run a coroutine as the product does: on uvloop, with a deadline, and with nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

SECONDS_MAX = 30.0
Result = TypeVar("Result")


def run_to_end(coroutine: Coroutine[Any, Any, Result], seconds_max: float = SECONDS_MAX) -> Result:
    """What the coroutine returns; fails when it takes too long or leaves a task running."""

    async def watched() -> Result:
        async with asyncio.timeout(seconds_max):
            result = await coroutine
        # Tasks that were just told to end get one turn of the loop to do so.
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left running: {left}"
        return result

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(watched())
