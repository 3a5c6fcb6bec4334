"""Calls in OpenTelemetry's GenAI words: token usage, duration, time to first token, by provider and model.

Names, units and buckets are those of the semantic conventions for generative AI
(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/); the form is OTLP's JSON
(https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). Sums are cumulative, so a report that is lost is
made good by the next one. Written by hand because the libraries for it cost a call more than the call itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from waypost import __version__
from waypost.domain.waybill import Waybill

SERIES_MAX: Final = 2_000
"""Provider, model and error together; what comes after so many goes under the model `_other`."""
OTHER: Final = "_other"
CUMULATIVE: Final = 2
TOKEN_BOUNDS: Final = tuple(4**power for power in range(14))
SECOND_BOUNDS: Final = tuple(0.01 * 2**power for power in range(14))
FIRST_TOKEN_BOUNDS: Final = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip

Attributes = dict[str, str]


class Instrument(NamedTuple):
    """One metric of the conventions."""

    name: str
    unit: str
    description: str


TOKENS: Final = Instrument("gen_ai.client.token.usage", "{token}", "Tokens used by a call, by direction.")
DURATION: Final = Instrument("gen_ai.client.operation.duration", "s", "How long a call took.")
FIRST_TOKEN: Final = Instrument("gen_ai.server.time_to_first_token", "s", "Time to the first token of an answer.")


class _Histogram:
    """Counts by bucket; an upper bound belongs to its bucket."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class _Series:
    """What one provider did for one model."""

    __slots__ = ("duration", "first_token", "input", "output")

    def __init__(self) -> None:
        self.input = _Histogram(TOKEN_BOUNDS)
        self.output = _Histogram(TOKEN_BOUNDS)
        self.duration = _Histogram(SECOND_BOUNDS)
        self.first_token = _Histogram(FIRST_TOKEN_BOUNDS)


class Telemetry:
    """Gathers calls; `report` is the body of one OTLP export. `clock_ns` is Unix nanoseconds."""

    def __init__(self, clock_ns: Callable[[], int], instance: str) -> None:
        """`instance` tells this process from every other one."""
        self._clock_ns = clock_ns
        self._instance = instance
        self._started_ns = clock_ns()
        self._series: dict[tuple[str, str, str | None], _Series] = {}

    def ended(self, bill: Waybill) -> None:
        """A call ended. One that never reached a provider is no GenAI operation."""
        if not bill.attempts or bill.plan is None:
            return
        last = bill.attempts[-1]
        series = self._one(bill.served_by or last.provider, bill.plan.model, bill.code)
        series.duration.add(bill.ms / 1000)
        if bill.first_word_ms is not None:
            series.first_token.add(bill.first_word_ms / 1000)
        usage = bill.usage
        if usage is not None:
            series.input.add(usage.input_total)
            series.output.add(usage.output_total)

    def _one(self, provider: str, model: str, error: str | None) -> _Series:
        found = self._series.get((provider, model, error))
        if found is None:
            key = (provider, model if len(self._series) < SERIES_MAX else OTHER, error)
            found = self._series.setdefault(key, _Series())
        return found

    def report(self) -> dict[str, Any]:
        """Everything so far, as an ExportMetricsServiceRequest."""
        metrics = [
            _metric(TOKENS, self._points(lambda s: (("input", s.input), ("output", s.output)))),
            _metric(DURATION, self._points(lambda s: ((None, s.duration),))),
            _metric(FIRST_TOKEN, self._points(lambda s: ((None, s.first_token),))),
        ]
        scope = {"scope": {"name": "waypost", "version": __version__}, "metrics": metrics}
        resource = {"service.name": "waypost", "service.version": __version__, "service.instance.id": self._instance}
        return {"resourceMetrics": [{"resource": {"attributes": _pairs(resource)}, "scopeMetrics": [scope]}]}

    def _points(self, pick: Callable[[_Series], tuple[tuple[str | None, _Histogram], ...]]) -> Iterator[dict[str, Any]]:
        now = str(self._clock_ns())
        for (provider, model, error), series in self._series.items():
            attributes = {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": provider,
                "gen_ai.request.model": model,
                **({"error.type": error} if error else {}),
            }
            for direction, histogram in pick(series):
                more = {"gen_ai.token.type": direction} if direction else {}
                if any(histogram.counts):
                    yield _point(histogram, {**attributes, **more}, str(self._started_ns), now)


def _point(histogram: _Histogram, attributes: Attributes, start: str, now: str) -> dict[str, Any]:
    """OTLP writes 64-bit numbers as text."""
    return {
        "attributes": _pairs(attributes),
        "startTimeUnixNano": start,
        "timeUnixNano": now,
        "count": str(sum(histogram.counts)),
        "sum": histogram.sum,
        "bucketCounts": [str(count) for count in histogram.counts],
        "explicitBounds": histogram.bounds,
    }


def _metric(instrument: Instrument, points: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return {**instrument._asdict(), "histogram": {"aggregationTemporality": CUMULATIVE, "dataPoints": list(points)}}


def _pairs(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
