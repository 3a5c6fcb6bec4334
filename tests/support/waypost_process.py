"""A Waypost as its users run it, and what they ask of it beside conversations; it must end well and log no bug."""

from __future__ import annotations

import itertools
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from serving import Serving, serving

SIGNS_OF_A_BUG = ("Traceback", "a bug ", "CRITICAL", "never awaited", "never retrieved")
WAYBILL_SECONDS_MAX = 10.0
TRUST = ssl.create_default_context()
"""Made once: every client that httpx makes would make its own."""


def has_ended(reply: httpx.Response) -> bool:
    """The call is in the books, and not as one that still runs."""
    return reply.status_code != 404 and reply.json().get("outcome") != "open"


class Waypost:
    """A running server and its first token, which is an operator's."""

    def __init__(self, running: Serving, token: str, log: Path, trust: ssl.SSLContext) -> None:
        self.running = running
        self.token = token
        self.log = log
        self._trust = trust
        self._names = itertools.count(1)

    @property
    def address(self) -> str:
        return self.running.address

    @property
    def api(self) -> str:
        """What OpenAI's clients take for their base URL."""
        return f"{self.address}/v1"

    def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        """One request on a connection of its own, with the first token unless another is given."""
        headers = {"authorization": f"Bearer {token or self.token}", **more.pop("headers", {})}
        return httpx.request(method, self.address + path, headers=headers, verify=self._trust, timeout=30, **more)

    def waybill(self, request_id: str) -> dict[str, Any]:
        """The waybill of a call whose reply has ended."""
        reply = self.ask("GET", f"/v1/requests/{request_id}")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def waybill_soon(self, request_id: str) -> dict[str, Any]:
        """The waybill of a call that its client left: nobody tells the client when it is written."""
        give_up = time.monotonic() + WAYBILL_SECONDS_MAX
        while not has_ended(reply := self.ask("GET", f"/v1/requests/{request_id}")):
            assert time.monotonic() < give_up, f"{request_id} has no waybill"
            time.sleep(0.05)
        return reply.json()

    def new_token(self, **form: Any) -> str:
        """The secret of a further token; without `permissions` it may call models and nothing else."""
        reply = self.ask("POST", "/api/settings/tokens", json={"name": f"test {next(self._names)}", **form})
        assert reply.status_code == 201, reply.text
        return reply.json()["secret"]


@contextmanager
def waypost(
    folder: Path,
    settings: str = "",
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    token: str | None = None,
    trust: ssl.SSLContext = TRUST,
) -> Iterator[Waypost]:
    """`waypost serve` with its data, settings and log in `folder`, until the block ends with SIGTERM.

    `token` is that of an earlier start with the same folder; `trust` holds whom to believe where the door speaks TLS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "waypost.toml", folder / "log"
    config.write_text(settings)
    environ = {**os.environ, **(environment or {})}  # noqa: TID251 (for the server)
    running: Serving | None = None
    try:
        with (
            log.open("a") as said,
            serving(folder / "data", "--config", str(config), *arguments, stderr=said, env=environ) as running,
        ):
            secret = running.token or token
            assert secret, "not a first start, and no token was given"
            yield Waypost(running, secret, log, trust)
    finally:
        text = log.read_text()
        assert running, text
    assert running.process.returncode == 0, text
    assert [sign for sign in SIGNS_OF_A_BUG if sign in text] == [], text
