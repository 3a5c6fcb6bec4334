"""Sends telemetry to a collector, now and then, from a thread: a slow collector holds up nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import msgspec

SECONDS_MAX: Final = 10.0
PATH: Final = "/v1/metrics"
log = logging.getLogger("waypost.door")


class _NoRedirects(HTTPRedirectHandler):
    """Where reports go is the operator's decision alone."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Refuse it."""


class Collector:
    """An OpenTelemetry collector that takes OTLP over HTTP as JSON. `endpoint` is its base address, from settings."""

    def __init__(self, endpoint: str, report: Callable[[], dict[str, Any]], interval_seconds: float = 15.0) -> None:
        if not endpoint.startswith(("http://", "https://")):
            raise ValueError(f"{endpoint!r} is no http address")
        self._url = endpoint.rstrip("/").removesuffix(PATH) + PATH
        self._report = report
        self._interval_seconds = interval_seconds
        self._opener = build_opener(ProxyHandler({}), _NoRedirects())
        self._well = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Send from now on."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Send once more, so that the last calls are told too, and no further."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            await self.send()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            await self.send()

    async def send(self) -> bool:
        """Send one report. A failure is logged when it begins and when it ends, and loses nothing."""
        body = msgspec.json.encode(self._report())
        trouble = await asyncio.to_thread(self._post, body)
        if trouble and self._well:
            log.warning("telemetry cannot be sent to %s: %s", self._url, trouble)
        elif not trouble and not self._well:
            log.warning("telemetry is sent to %s again", self._url)
        self._well = not trouble
        return self._well

    def _post(self, body: bytes) -> str:
        """What went wrong, nothing when all went well."""
        request = Request(self._url, body, {"content-type": "application/json"})  # noqa: S310 (http only, checked above)
        try:
            with self._opener.open(request, timeout=SECONDS_MAX) as response:
                response.read(65_536)
        except HTTPError as refused:
            with refused:
                return str(refused)
        except (URLError, OSError, ValueError, HTTPException) as error:
            return str(error)
        return ""
