"""A body that comes in pieces: how much may come, how fast it must come, what it holds of our memory."""

from __future__ import annotations

from waypost.wire.http11_bodies import ChunkedBody, SizedBody
from waypost.wire.http11_messages import CHUNKED, Request
from waypost.wire.http11_refusals import body_too_large, overloaded, too_slow
from waypost.wire.http11_traffic import Traffic


class Upload:
    """Receives the body of one request. Raises Problem where it must not come, or comes wrongly."""

    __slots__ = ("_body", "_bytes", "_mark", "_traffic", "request")

    def __init__(self, request: Request, traffic: Traffic) -> None:
        most = traffic.body_bytes_max(request)
        if request.length > most:
            raise body_too_large(most)
        self.request = request
        self._traffic = traffic
        self._body = ChunkedBody(traffic.limits, most) if request.length == CHUNKED else SizedBody(request.length)
        self._bytes = 0
        """Our share of `Traffic.bodies_bytes`."""
        self._mark = 0
        """Raw bytes that had come when the rate was last looked at."""

    def feed(self, data: bytes) -> bytes | None:
        """Take what came. Returns what follows the body once that is complete, else None."""
        rest = self._body.feed(data)
        if rest is None:
            self._hold(len(data))
        else:
            self.request.body = self._body.whole()
        return rest

    def _hold(self, size: int) -> None:
        """All such bodies together stay within what the machine can hold."""
        traffic = self._traffic
        self._bytes += size
        traffic.bodies_bytes += size
        if traffic.bodies_bytes > traffic.limits.bodies_bytes_max:
            raise overloaded("Too many large requests are running.", traffic.limits.retry_after_seconds)

    def check_rate(self) -> None:
        """Called once for every window of time."""
        limits = self._traffic.limits
        if self._body.received - self._mark < limits.body_bytes_per_second_min * limits.body_check_seconds:
            raise too_slow("The body", limits.body_check_seconds)
        self._mark = self._body.received

    def release(self) -> None:
        """The body is needed no more."""
        self._traffic.bodies_bytes -= self._bytes
        self._bytes = 0
