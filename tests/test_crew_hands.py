"""The children: none is forgotten."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import uvloop

from waypost import crew_hands
from waypost.crew import bind
from waypost.crew_hands import ChildFailed, Hands, WorkerOrders


def children() -> list[str]:
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()


def test_where_one_child_cannot_start_none_is_left(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(crew_hands, "START_SECONDS_MAX", 0.2)
    before = children()

    async def story() -> None:
        with bind("127.0.0.1", 0) as sock:
            orders = WorkerOrders(None, {"store.data_folder": str(tmp_path)})
            hands = Hands(orders, [sock], asyncio.Event())
            with pytest.raises(ChildFailed, match="did not start"):
                await hands.start(2)

    uvloop.run(story())
    assert children() == before
