"""Where it was measured: what a reader needs to compare."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.cores import available
from waypost import __version__

ROOT: Final = Path(__file__).resolve().parent.parent
IDLE_LOAD_MAX: Final = 0.5


def chip() -> str:
    """The processor, by name where it has one."""
    file = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", file.read_text(), re.MULTILINE) if file.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def commit() -> str:
    """The commit that was measured, marked where the tree differs from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "no commit"


def nginx_version(program: str | None) -> str:
    """As it says itself."""
    if program is None:
        return "without nginx"
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
    return said.strip().rpartition(" ")[2]


def described(nginx: str | None) -> dict[str, str]:
    """Everything, by name."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "chip": chip(),
        "cores": f"{len(available())} cores",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "nginx": nginx_version(nginx),
        "waypost": f"{__version__} ({commit()})",
    }


def restless() -> list[str]:
    """A note where the machine is busy with other things before we begin."""
    load = os.getloadavg()[0]
    return [f"the machine was not idle before the run (load {load:.1f})"] if load > IDLE_LOAD_MAX else []
