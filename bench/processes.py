"""What other processes use: processor time and memory, of a process and all its children."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

LINUX = sys.platform.startswith("linux")
NOTE = "" if LINUX else "processor time comes from `ps`, in hundredths of a second: only long runs say anything"
KIB = 1024
PYTHON_PATH = {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
}
"""For children of ours: they find this package, and what we found."""


def family(pid: int) -> list[int]:
    """The process, its children, and theirs."""
    found = [pid]
    for each in found:
        found += _children(each)
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time so far, all threads, ended ones too."""
    return sum(map(_cpu_seconds, pids))


def resident_bytes(pids: list[int]) -> int:
    """Memory that is really there; pages that processes share count for each of them."""
    return sum(map(_resident_bytes, pids))


def clock_seconds(text: str) -> float:
    """`ps`'s time: `[days-][hours:]minutes:seconds[.hundredths]`."""
    days, _, clock = text.strip().rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return int(days or 0) * 86_400 + seconds


def _children(pid: int) -> list[int]:
    if LINUX:
        files = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for file in files for child in file.read_text().split()]
    rows = (row.split() for row in _ps("-A", "pid=,ppid=").splitlines())
    return [int(child) for child, parent in rows if int(parent) == pid]


def _cpu_seconds(pid: int) -> float:
    if LINUX:
        return time.clock_gettime(~pid << 3 | 2)  # the clock of that process's scheduler, as clock_getcpuclockid(3)
    return clock_seconds(_ps("-p", "time=", str(pid)))


def _resident_bytes(pid: int) -> int:
    if not LINUX:
        return int(_ps("-p", "rss=", str(pid))) * KIB
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) * KIB for line in lines if line.startswith("VmRSS:"))


def _ps(which: str, fields: str, *more: str) -> str:
    command = ["ps", which, *more, "-o", fields]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
