"""`waypost bench`: what a running installation adds to a call, measured on the installation itself."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import uvloop

from waypost.cli.access import router_for, token_for
from waypost.cli.amounts import count, usd
from waypost.cli.columns import Column, show_list
from waypost.cli.exits import Exit, Stop
from waypost.cli.model_lists import may_call
from waypost.cli.options import Call
from waypost.cli.overhead_load import Load, Target, in_turn, percentile, saturate
from waypost.cli.screen import Screen
from waypost.cli.whereabouts import Standing, destination
from waypost.practice.profiles import BUILT_IN

PROMPT: Final = "Reply with exactly: all is well"
AT_ONCE: Final = b"slow_first_word=0,pace=0"
"""Has a practice provider answer as fast as it can, so that its own pauses do not blur what is measured."""
IDS: Final = {endpoint.key: endpoint.id for profile in BUILT_IN for endpoint in profile.models}
"""What models are called at practice providers."""


class Lane(NamedTuple):
    """The model and the practice provider that the calls go to."""

    model: str
    provider: str
    alone: bool
    """Nobody else runs the model, so that what the calls teach the router has no other call go another way."""


class Bench(NamedTuple):
    """The two ways of one call."""

    lane: Lane
    direct: Target
    through: Target
    practice: str
    """Where the practice provider is told what to do."""


def measure(call: Call, *, calls: int, seconds: float, connections: int) -> None:
    """Measure, and print the table and what it came to."""
    bench = _prepare(call)
    screen = call.screen
    screen.note(f"{calls} pairs of calls whole, {calls} pairs streamed, and {seconds:g} s of full load each way …")
    with _at_once(bench.practice):
        rows = [
            _row("whole answer", uvloop.run(in_turn(bench.direct, bench.through, calls, stream=False)), calls),
            _row("first word of a stream", uvloop.run(in_turn(bench.direct, bench.through, calls, stream=True)), calls),
        ]
        loads = [uvloop.run(saturate(one, connections, seconds)) for one in (bench.direct, bench.through)]
    figures = {
        "latency": rows,
        "calls_per_s": {"direct": round(loads[0].per_second, 1), "through": round(loads[1].per_second, 1)},
        "lane": bench.lane._asdict(),
        "spent": _spent(call, bench.lane, 2 * calls + loads[1].calls),
    }
    if screen.style == "json":
        screen.json(figures)
        return
    show_list(screen, rows, COLUMNS)
    if screen.human:
        _tell(screen, figures, loads)


def _prepare(call: Call) -> Bench:
    to = destination(call.where)
    standing = to.standing
    lane = None if standing is None else lane_of(router_for(call.where).get("/v1/models")["data"], standing.practice)
    if standing is None or lane is None:
        raise Stop(
            Exit.NOT_WELL,
            "No installation on this data folder runs a practice provider, which the calls would go to.",
            "Name its folder with --data; where real providers serve, set [practice] enabled = true.",
        )
    _refuse_tls(standing)
    url = standing.practice[lane.provider]
    secret = token_for(call.where, to).secret
    direct = _target(url, f"{urlsplit(url).path}/chat/completions", IDS[lane.model, lane.provider], None)
    through = _target(to.base, "/v1/chat/completions", f"{lane.model}:{lane.provider}", secret)
    return Bench(lane, direct, through, url)


def lane_of(entries: Iterable[dict[str, Any]], practice: Collection[str]) -> Lane | None:
    """One whose model nobody else runs, where there is one; any else. None where no practice provider serves."""
    lanes = [
        Lane(entry["id"], row["provider"], len(entry["providers"]) == 1)
        for entry in entries
        for row in entry["providers"]
        if row["provider"] in practice and (entry["id"], row["provider"]) in IDS and may_call(row)
    ]
    return max(lanes, key=lambda lane: lane.alone, default=None)


def _refuse_tls(standing: Standing) -> None:
    if standing.address.startswith("https:"):
        raise Stop(Exit.USAGE, "Calls are measured without TLS, and this door speaks nothing else.", "")


def _target(url: str, path: str, model: str, secret: str | None) -> Target:
    parts = urlsplit(url)
    return Target(parts.hostname or "", parts.port or 80, path, model, PROMPT, secret)


@contextmanager
def _at_once(url: str) -> Iterator[None]:
    """The practice provider as fast as it can while the block lasts, and afterwards as it was."""
    before = ",".join(_told(url, None)["now"]).encode()
    _told(url, AT_ONCE)
    try:
        yield
    finally:
        _told(url, before)


def _told(url: str, faults: bytes | None) -> dict[str, Any]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET" if faults is None else "PUT", "/practice/faults", faults)
        told: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return told


def _row(what: str, ms: tuple[list[float], list[float]], calls: int) -> dict[str, Any]:
    direct, through = ms
    row: dict[str, Any] = {"what": what, "pairs": calls}
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        alone, routed = percentile(direct, share), percentile(through, share)
        row |= {
            f"direct_ms_{name}": round(alone, 3),
            f"through_ms_{name}": round(routed, 3),
            f"added_ms_{name}": round(routed - alone, 3),
        }
    return row


def _spent(call: Call, lane: Lane, calls: int) -> dict[str, Any]:
    """What the calls through the router came to, by the latest waybill: all of them are alike."""
    query = {"model": lane.model, "provider": lane.provider, "outcome": "delivered", "limit": 1}
    bills = router_for(call.where).get("/v1/requests", query)["data"]
    usage = (bills[0]["usage"] or {}) if bills else {}
    tokens = sum(usage.get(name, 0) for name in ("input", "cached_input", "output", "reasoning"))
    cost = bills[0]["charge_nano_usd"] if bills else 0
    return {"calls": calls, "tokens": calls * tokens, "practice_nano_usd": calls * cost, "real_nano_usd": 0}


def _tell(screen: Screen, figures: dict[str, Any], loads: list[Load]) -> None:
    direct, through = loads
    spent = figures["spent"]
    screen.out()
    screen.out(f"Full load: {through.per_second:,.0f} calls/s through, {direct.per_second:,.0f} direct.")
    if through.own_share > 0.9:
        screen.out(f"This command itself was busy {through.own_share:.0%} of that time, so it may be the bottleneck.")
    if through.bad or direct.bad:
        screen.out(screen.red(f"{through.bad} calls through and {direct.bad} direct ones were not answered well."))
    said = f"{count(spent['calls'])} waybills, {count(spent['tokens'])} tokens, {usd(spent['practice_nano_usd'])}"
    screen.out(f"Spent: nothing real. In practice money: {said}.")
    screen.out(_learnt(Lane(**figures["lane"])))
    screen.hint("provider and server share this machine, often one process: full load is a lower bound")


def _learnt(lane: Lane) -> str:
    """Answers this short tell the router nothing of a speed, but a stream's first word counts as measured."""
    figure = f"Learnt by the router: how soon {lane.provider} begins with {lane.model}, which was at once"
    if lane.alone:
        return f"{figure}. Nobody else runs that model, so no other call goes another way."
    return f"{figure}. Where speeds tie, that may put it first under :fastest until real calls say otherwise."


def _ms(value: float) -> str:
    return f"{value:.2f} ms"


def _column(title: str, key: str) -> Column:
    return Column(title, lambda row: row[key], _ms, right=True, key=key)


COLUMNS: Final = (
    Column("", lambda row: row["what"], key="what"),
    Column("PAIRS", lambda row: row["pairs"], right=True),
    _column("DIRECT P50", "direct_ms_p50"),
    _column("THROUGH P50", "through_ms_p50"),
    _column("ADDED P50", "added_ms_p50"),
    _column("DIRECT P99", "direct_ms_p99"),
    _column("THROUGH P99", "through_ms_p99"),
    _column("ADDED P99", "added_ms_p99"),
)
