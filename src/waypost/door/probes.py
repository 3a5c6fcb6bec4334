"""/live, /ready and /metrics: for whoever keeps the process running. Answered without the web framework."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from waypost import __version__
from waypost.door.meter import Family, Histogram, Labels, Meter
from waypost.wire.http11 import Reply, Request

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
Handler = Callable[[Request, Reply], None]
_encode = msgspec.json.Encoder().encode
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Gauge(NamedTuple):
    """Something that is read when somebody looks. `read` gives a number, or numbers by labels."""

    name: str
    help: str
    read: Callable[[], float | Iterable[tuple[Labels, float]]]


ENDPOINT_WORDS: Final = 2
"""Model and provider; a third names whose own key it is."""


class Reading(Protocol):
    """How an endpoint is doing (`routing/pulse.py`)."""

    @property
    def key(self) -> tuple[str, ...]: ...
    @property
    def state(self) -> str: ...
    @property
    def tokens_per_s(self) -> float | None: ...
    @property
    def first_word_ms(self) -> float | None: ...


def endpoint_gauges(readings: Callable[[], Iterable[Reading]]) -> tuple[Gauge, ...]:
    """What is known of endpoints that were called lately: the state of those that rest, the speed of all."""

    def of_operator() -> Iterator[Reading]:
        """Those of the operator's keys: a line for each user's own would be no gauge, and nobody's business."""
        return (one for one in readings() if len(one.key) == ENDPOINT_WORDS)

    def shut() -> Iterator[tuple[Labels, float]]:
        return (((*_endpoint(one), ("state", one.state)), 1) for one in of_operator() if one.state != "well")

    def speed() -> Iterator[tuple[Labels, float]]:
        return ((_endpoint(one), one.tokens_per_s) for one in of_operator() if one.tokens_per_s is not None)

    def first_word() -> Iterator[tuple[Labels, float]]:
        return ((_endpoint(one), one.first_word_ms / 1000) for one in of_operator() if one.first_word_ms is not None)

    return (
        Gauge("waypost_endpoint_shut", "1 for each endpoint that is resting, open, half_open or key_refused.", shut),
        Gauge("waypost_endpoint_output_tokens_per_second", "Measured speed, decayed.", speed),
        Gauge("waypost_endpoint_first_word_seconds", "Measured time to the first word, decayed.", first_word),
    )


def _endpoint(reading: Reading) -> Labels:
    return (("model", reading.key[0]), ("provider", reading.key[1]))


class Probes:
    """Handlers of the hot probe routes.

    `not_ready` gives the reasons why no new calls should be sent here, none when all is well. `labels` stand on every
    metric, such as the worker's number where there are several.
    """

    def __init__(
        self,
        meter: Meter,
        not_ready: Callable[[], Sequence[str]],
        request_ids: Callable[[], str],
        gauges: Sequence[Gauge] = (),
        labels: Labels = (),
    ) -> None:
        self._meter = meter
        self._not_ready = not_ready
        self._request_ids = request_ids
        self._gauges = gauges
        self._labels = labels

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {"live": self.live, "ready": self.ready, "metrics": self.metrics}

    def live(self, request: Request, reply: Reply) -> None:
        """The process answers: 200 for as long as it does."""
        self._send(reply, 200, "application/json", _encode({"status": "live"}))

    def ready(self, request: Request, reply: Reply) -> None:
        """200, or 503 and the reasons."""
        reasons = list(self._not_ready())
        body: dict[str, Any] = {"status": "ready"} if not reasons else {"status": "not ready", "reasons": reasons}
        self._send(reply, 503 if reasons else 200, "application/json", _encode(body))

    def metrics(self, request: Request, reply: Reply) -> None:
        """Prometheus' text format."""
        families = [*self._meter.families(), *map(_gauge_family, self._gauges), *_own_families()]
        self._send(reply, 200, METRICS_TYPE, metrics_text(families, self._labels).encode())

    def _send(self, reply: Reply, status: int, content_type: str, body: bytes) -> None:
        head = f"content-type: {content_type}\r\ncache-control: no-store\r\nx-request-id: {self._request_ids()}\r\n"
        reply.send(status, head.encode("ascii"), body)


def metrics_text(families: Iterable[Family], common: Labels = ()) -> str:
    """Families as lines. A family without values shows its name and meaning all the same."""
    lines: list[str] = []
    for family in families:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        for labels, value in family.samples:
            if isinstance(value, Histogram):
                lines += _histogram_lines(family.name, (*common, *labels), value)
            else:
                lines.append(f"{family.name}{_braces((*common, *labels))} {_number(value)}")
    return "\n".join([*lines, ""])


def _histogram_lines(name: str, labels: Labels, histogram: Histogram) -> list[str]:
    lines = []
    total = 0
    for bound, count in zip((*histogram.bounds, None), histogram.counts, strict=True):
        total += count
        le = "+Inf" if bound is None else f"{bound:g}"
        lines.append(f"{name}_bucket{_braces((*labels, ('le', le)))} {total}")
    return [*lines, f"{name}_sum{_braces(labels)} {_number(histogram.sum)}", f"{name}_count{_braces(labels)} {total}"]


def _braces(labels: Labels) -> str:
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))


def _gauge_family(gauge: Gauge) -> Family:
    value = gauge.read()
    samples: list[tuple[Labels, float | Histogram]] = (
        [((), value)] if isinstance(value, int | float) else [(labels, one) for labels, one in value]
    )
    return Family(gauge.name, "gauge", gauge.help, samples)


def _own_families() -> list[Family]:
    return [
        Family("waypost_build_info", "gauge", "The version that runs.", [((("version", __version__),), 1)]),
        Family("process_cpu_seconds_total", "counter", "User and system time.", [((), time.process_time())]),
    ]
