"""A Waypost of its own for a test: a real process on a free port, with its own data, found by its ready line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from waypost.store.visitor import visit

STOP_SECONDS_MAX = 20


class Serving(NamedTuple):
    """A running server, as its ready line describes it."""

    address: str
    """`http://127.0.0.1:54321`"""
    data: Path
    pid: int
    user: str | None
    token: str | None
    """Only on the first start with this data."""
    process: subprocess.Popen[str]

    @property
    def variables(self) -> dict[str, str]:
        """What the examples want in their environment."""
        return {"WAYPOST_URL": f"{self.address}/v1", "WAYPOST_TOKEN": self.token or ""}

    def found(self, organisation: str, **facts: Any) -> None:
        """Make an organisation, with credits each month and the first user as its admin."""
        with visit(self.data) as run:
            run("org.create", {"name": organisation, "admin": self.user, "included": 10**10, **facts})


@contextmanager
def serving(data: Path | None, *arguments: str, command: Sequence[str] = (), **popen: Any) -> Iterator[Serving]:
    """`waypost serve` until the block ends; `command` is for starting it another way, no `data` for its own default."""
    start = [*(command or (sys.executable, "-m", "waypost", "serve")), "--port", "0", "--format", "json"]
    place = [] if data is None else ["--data", str(data)]
    with subprocess.Popen(
        [*start, *place, *arguments], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, **popen
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert line, f"the server ended with {process.wait(STOP_SECONDS_MAX)} before it was ready"
            ready = json.loads(line)
            yield Serving(
                ready["address"], Path(ready["data"]), ready["pid"], ready.get("user"), ready.get("token"), process
            )
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
