"""Probes and metrics, as a balancer and a scraper see them."""

import json
import re

from crossroads import SERVED, Crossroads, model

from waypost import __version__
from waypost.domain.waybill import Outcome, Waybill
from waypost.door.meter import Family, Histogram, Meter
from waypost.door.probes import Gauge, Probes, endpoint_gauges, metrics_text
from waypost.wire.http11 import Request


class Heard:
    """A reply that keeps what it was given."""

    def send(self, status, headers, body):
        self.status, self.body = status, body
        self.headers = dict(line.split(": ", 1) for line in headers.decode().splitlines())


def probe(name, meter=None, reasons=(), **more):
    probes = Probes(meter or Meter(), lambda: reasons, lambda: "req_1", **more)
    heard = Heard()
    probes.handlers()[name](Request("GET", b"/", "/", b"", {}), heard)
    assert heard.headers["x-request-id"] == "req_1"
    assert heard.headers["cache-control"] == "no-store"
    return heard


def test_live_says_so_whatever_the_reasons_not_to_be_ready():
    heard = probe("live", reasons=["draining"])
    assert (heard.status, json.loads(heard.body)) == (200, {"status": "live"})


def test_ready_is_503_with_the_reasons_and_200_without():
    assert probe("ready").status == 200
    heard = probe("ready", reasons=["the server is stopping", "the store cannot be written"])
    assert heard.status == 503
    assert json.loads(heard.body)["reasons"] == ["the server is stopping", "the store cannot be written"]


def test_metrics_are_lines_that_prometheus_reads():
    meter = Meter()
    meter.ended(Waybill(1, 1, "req_1", outcome=Outcome.DELIVERED, served_by="alpha", first_word_ms=30.0, ms=40.0))
    gauges = [
        Gauge("waypost_in_flight", "Calls under way.", lambda: 3),
        Gauge("waypost_endpoint_open", "By endpoint.", lambda: [((("model", 'a"b\\c\nd'),), 1.5)]),
    ]
    heard = probe("metrics", meter, gauges=gauges)
    assert heard.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = heard.body.decode()
    line = re.compile(r'(# (HELP|TYPE) \w+ .+|[a-z_]+(\{(\w+="([^"\\\n]|\\.)*",?)*\})? -?[0-9.e+-]+)')
    assert [one for one in text.splitlines() if not line.fullmatch(one)] == []
    assert 'waypost_requests_total{outcome="delivered",code="",provider="alpha"} 1\n' in text
    assert "waypost_in_flight 3\n" in text
    assert r'waypost_endpoint_open{model="a\"b\\c\nd"} 1.5' in text
    assert f'waypost_build_info{{version="{__version__}"}} 1\n' in text
    assert re.search(r"^process_cpu_seconds_total \d", text, re.MULTILINE)


def test_buckets_are_cumulative_and_end_at_infinity():
    family = Family("t_seconds", "histogram", "T.", [((("p", "a"),), Histogram((0.1, 1.0), (2, 3, 1), 4.5))])
    assert metrics_text([family]).splitlines()[2:] == [
        't_seconds_bucket{p="a",le="0.1"} 2',
        't_seconds_bucket{p="a",le="1"} 5',
        't_seconds_bucket{p="a",le="+Inf"} 6',
        't_seconds_sum{p="a"} 4.5',
        't_seconds_count{p="a"} 6',
    ]


def test_endpoints_that_rest_and_speeds_that_were_measured_are_shown():
    crossroads = Crossroads(model("alpha", "beta", "gamma"))
    crossroads.end("alpha", SERVED)
    crossroads.break_circuit("beta")
    text = probe("metrics", gauges=endpoint_gauges(crossroads.pulse.readings)).body.decode()
    shown = [line for line in text.splitlines() if line.startswith("waypost_endpoint")]
    assert shown == [
        'waypost_endpoint_shut{model="acme/one",provider="beta",state="open"} 1',
        'waypost_endpoint_output_tokens_per_second{model="acme/one",provider="alpha"} 100.0',
        'waypost_endpoint_first_word_seconds{model="acme/one",provider="alpha"} 0.1',
    ]


def test_a_workers_number_stands_on_every_value():
    text = probe("metrics", labels=(("worker", "2"),)).body.decode()
    assert all('worker="2"' in line for line in text.splitlines() if not line.startswith("#"))
