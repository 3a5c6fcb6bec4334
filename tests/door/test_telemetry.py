"""Calls in OpenTelemetry's GenAI words."""

import time

from crossroads import Crossroads, model

from waypost.domain.chat import Usage
from waypost.domain.waybill import Attempt, Waybill
from waypost.door.telemetry import OTHER, SERIES_MAX, Telemetry

PLAN = Crossroads(model("alpha")).plan()


def bill(**more):
    shown = Waybill(1, 1, "req_1", plan=PLAN, attempts=[Attempt("alpha", "one-at-alpha", 200)], served_by="alpha")
    shown.usage, shown.first_word_ms, shown.ms = Usage(10, 6, 20, 12), 250.0, 2_000.0
    for name, value in more.items():
        setattr(shown, name, value)
    return shown


def points(telemetry):
    (resource,) = telemetry.report()["resourceMetrics"]
    (scope,) = resource["scopeMetrics"]
    return {
        metric["name"]: [
            ({pair["key"]: pair["value"]["stringValue"] for pair in point["attributes"]}, point)
            for point in metric["histogram"]["dataPoints"]
        ]
        for metric in scope["metrics"]
    }


def telemetry():
    return Telemetry(lambda: 1_790_000_000_000_000_000, "host:1")


def test_a_call_shows_as_usage_duration_and_time_to_first_token():
    told = telemetry()
    told.ended(bill())
    shown = points(told)
    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "alpha",
        "gen_ai.request.model": "acme/one",
    }
    tokens = {attributes["gen_ai.token.type"]: point["sum"] for attributes, point in shown["gen_ai.client.token.usage"]}
    assert tokens == {"input": 16, "output": 32}
    ((attributes, duration),) = shown["gen_ai.client.operation.duration"]
    assert attributes == common
    assert (duration["count"], duration["sum"]) == ("1", 2.0)
    ((_, first),) = shown["gen_ai.server.time_to_first_token"]
    assert first["sum"] == 0.25
    assert first["bucketCounts"][first["explicitBounds"].index(0.25)] == "1"


def test_every_point_has_one_more_bucket_than_bounds_and_counts_as_text():
    told = telemetry()
    told.ended(bill(ms=10_000_000.0))
    for metric in points(told).values():
        for _, point in metric:
            assert len(point["bucketCounts"]) == len(point["explicitBounds"]) + 1
            assert all(isinstance(count, str) for count in [point["count"], *point["bucketCounts"]])
            assert sum(map(int, point["bucketCounts"])) == int(point["count"])


def test_a_failed_call_names_its_error_and_has_no_tokens():
    told = telemetry()
    told.ended(bill(served_by=None, code="provider_failed", usage=None, first_word_ms=None))
    shown = points(told)
    assert shown["gen_ai.client.token.usage"] == shown["gen_ai.server.time_to_first_token"] == []
    ((attributes, _),) = shown["gen_ai.client.operation.duration"]
    assert attributes["error.type"] == "provider_failed"
    assert attributes["gen_ai.provider.name"] == "alpha"


def test_a_call_that_reached_no_provider_is_none():
    told = telemetry()
    told.ended(bill(attempts=[]))
    told.ended(bill(plan=None))
    assert not any(points(told).values())


def test_reports_add_up_so_that_a_lost_one_loses_nothing():
    told = telemetry()
    told.ended(bill())
    told.report()
    told.ended(bill())
    ((_, duration),) = points(told)["gen_ai.client.operation.duration"]
    assert duration["count"] == "2"


def test_the_number_of_series_is_bounded():
    told = telemetry()
    for number in range(SERIES_MAX + 50):
        told.ended(bill(plan=PLAN._replace(model=f"acme/m{number}")))
    shown = points(told)["gen_ai.client.operation.duration"]
    assert len(shown) == SERIES_MAX + 1
    assert shown[-1][0]["gen_ai.request.model"] == OTHER
    assert shown[-1][1]["count"] == "50"


def test_counting_a_call_costs_a_few_microseconds_at_most():
    told, one = telemetry(), bill()
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(1_000):
            told.ended(one)
        best = min(best, time.perf_counter() - began)
    assert best / 1_000 < 8e-6  # 1.3 µs when the machine is quiet
