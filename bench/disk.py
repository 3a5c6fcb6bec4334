"""What one small durable write costs on this disk: no acknowledged call can be quicker."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from bench.load import percentile

PAGE = b"\xa5" * 4096
FILE_PAGES = 256


def sync_ms(folder: Path, count: int, pause_seconds: float) -> tuple[float, float]:
    """p50 and p99 of writing one page in place and having it on the disk; with pauses, as single calls come."""
    path = folder / "fdatasync"
    path.write_bytes(PAGE * FILE_PAGES)
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.fsync(descriptor)
        samples = [_once(descriptor, number % FILE_PAGES, pause_seconds) for number in range(count)]
    finally:
        os.close(descriptor)
        path.unlink()
    return percentile(samples, 0.5), percentile(samples, 0.99)


def _once(descriptor: int, page: int, pause_seconds: float) -> float:
    time.sleep(pause_seconds)
    began = time.perf_counter()
    os.pwrite(descriptor, PAGE, page * len(PAGE))
    _flush(descriptor)
    return (time.perf_counter() - began) * 1000


def _flush(descriptor: int) -> None:
    """macOS has no fdatasync; what SQLite does there is fsync, too."""
    if sys.platform == "darwin":
        os.fsync(descriptor)
    else:
        os.fdatasync(descriptor)
