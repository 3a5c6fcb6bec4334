"""Futures that are settled once, by whoever is first."""

from __future__ import annotations

import asyncio
from typing import Any

from waypost.domain.problems import Problem


def settle(future: asyncio.Future[Any] | None, result: Any) -> None:
    """Give the result, or raise it there when it is a Problem; nothing where somebody was faster or has gone."""
    if future is None or future.done():
        return
    if isinstance(result, Problem):
        future.set_exception(result)
    else:
        future.set_result(result)
