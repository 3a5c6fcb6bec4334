"""Has the load done, in a process of its own, and reads what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.cores import placed
from bench.load import GRACE_SECONDS_MAX, Order
from bench.processes import PYTHON_PATH
from bench.targets import TargetFailed

COMMAND = [sys.executable, "-m", "bench.load"]
START_SECONDS = 10.0


def drive(order: Order, cores: frozenset[int] | None) -> dict[str, Any]:
    """Carry an order out. Raises TargetFailed when anything but 200 was answered."""
    process = _load(cores)
    try:
        out, _ = process.communicate(order.line(), order.seconds + GRACE_SECONDS_MAX + START_SECONDS)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return checked(out, order)


@contextmanager
def holding(order: Order, cores: frozenset[int] | None) -> Iterator[int]:
    """Streams that are open while the block runs; gives their number."""
    process = _load(cores)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(order.line())
        process.stdin.flush()
        line = process.stdout.readline()
        yield json.loads(line)["open"] if line else 0
        process.communicate(timeout=START_SECONDS)
    finally:
        process.kill()
        process.communicate()


def _load(cores: frozenset[int] | None) -> subprocess.Popen[bytes]:
    with placed(cores):
        return subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **PYTHON_PATH}
        )


def checked(out: bytes, order: Order) -> dict[str, Any]:
    """The result, if it is a good one. Raises TargetFailed."""
    names = ", ".join(route.name for route in order.routes)
    if not out:
        raise TargetFailed(f"the load could not call {names}")
    result: dict[str, Any] = json.loads(out)
    for name, figures in result["routes"].items():
        if figures["bad"] or not figures["calls"]:
            raise TargetFailed(f"{name} answered {figures['calls']} calls, and to others: {figures['bad']}")
    return result
