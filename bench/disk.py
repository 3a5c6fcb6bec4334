"""What one small durable write costs on this disk: no acknowledged call can be quicker."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

PAGE = b"\xa5" * 4096
FILE_PAGES = 256


def sync_ms(folder: Path, count: int, pause_seconds: float) -> list[float]:
    """How long it took, each time, to write one page in place and have it on the disk; with pauses, as calls come."""
    path = folder / "fdatasync"
    path.write_bytes(PAGE * FILE_PAGES)
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.fsync(descriptor)
        return [_once(descriptor, number % FILE_PAGES, pause_seconds) for number in range(count)]
    finally:
        os.close(descriptor)
        path.unlink()


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
