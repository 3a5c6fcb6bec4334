"""The kinds of work, each in interleaved rounds, and what was seen of each: rows for `figures.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench import grown
from bench.cores import Layout
from bench.disk import sync_ms
from bench.driving import drive, holding
from bench.load import Order, percentile
from bench.targets import Recipe, Running, TargetFailed, Waypost

Row = dict[str, Any]

SECONDS: Final = {"whole": 4.0, "burst": 4.0, "paced": 4.0}
CONNECTIONS: Final = {"whole": 64, "burst": 64, "paced": 100}
WARM_SECONDS: Final = 0.5
STEADY_RATE, STEADY_SECONDS, STEADY_CONNECTIONS = 50.0, 6.0, 32
STEADY: Final = {"latency": "whole", "first_token": "brief"}
"""Sections of steady work: the kind of each."""
SYNCS, SYNC_PAUSE_SECONDS = 100, 0.01
"""Before and again after the calls: disks have moods."""
IDLE_STREAMS: Final = 1_000
WARM_CALLS_SECONDS: Final = 1.0
KINDS: Final = ("whole", "burst", "paced", "brief", "idle")


class Stage(NamedTuple):
    """What all work needs."""

    folder: Path
    layout: Layout
    upstream: Running
    rounds: int
    scale: float
    """Share of the usual time and of the usual sizes."""
    failures: dict[tuple[str, str], str]
    """Peers that failed, at which work, and how; nobody else may."""

    def seconds(self, usual: float) -> float:
        return max(0.1, usual * self.scale)

    def count(self, usual: int, least: int = 1) -> int:
        return max(least, int(usual * min(1.0, self.scale)))


def say(text: str) -> None:
    """To the person who waits."""
    print(f"  {text}", file=sys.stderr, flush=True)


def saturated(stage: Stage, kind: str, gateways: Sequence[Running]) -> list[Row]:
    """As many calls as a gateway can take, the gateways in turn: what a call costs."""
    rows: list[Row] = []
    seconds = stage.seconds(SECONDS[kind])
    for gateway in gateways:
        _tried(stage, gateway, kind, partial(_saturate, stage, kind, gateway, min(WARM_SECONDS, seconds)))
    for number in range(stage.rounds):
        for gateway in gateways:
            row = _tried(stage, gateway, kind, partial(_saturate, stage, kind, gateway, seconds))
            if row:
                rows.append({"work": kind, "gateway": gateway.name, "round": number, **row})
                say(f"{kind} {gateway.name}: {row['cpu_us']:.0f} µs, {row['calls_per_second']:,.0f} calls/s")
    return rows


def _saturate(stage: Stage, kind: str, gateway: Running, seconds: float) -> Row:
    return _counted(stage, gateway, Order([gateway.route(kind)], CONNECTIONS[kind], seconds))


def _counted(stage: Stage, gateway: Running, order: Order) -> Row:
    """One order, and what everybody spent on it."""
    before, upstream_before = gateway.cpu_seconds(), stage.upstream.cpu_seconds()
    result = drive(order, stage.layout.load)
    used, upstream_used = gateway.cpu_seconds() - before, stage.upstream.cpu_seconds() - upstream_before
    figures, seconds = result["routes"][gateway.name], result["seconds"]
    return {
        **figures,
        "cpu_us": used / figures["calls"] * 1e6,
        "calls_per_second": figures["calls"] / seconds,
        "gateway_share": used / seconds,
        "load_share": result["cpu"] / seconds,
        "upstream_share": upstream_used / seconds,
    }


def _tried(stage: Stage, gateway: Running, work: str, act: Callable[[], Row]) -> Row | None:
    """A peer may fail at something, and is left out of that; it moves only while it is measured."""
    if not gateway.peer:
        return act()
    if (gateway.name, work) in stage.failures:
        return None
    gateway.go_on()
    try:
        return act()
    except TargetFailed as failed:
        stage.failures[gateway.name, work] = str(failed)
        say(str(failed))
        return None
    finally:
        gateway.stand_still()


def steady(stage: Stage, section: str, targets: Sequence[Running]) -> list[Row]:
    """Fifty calls a second to each in turn, the provider called directly among them: what a gateway adds."""
    rows: list[Row] = []
    routes = [target.route(STEADY[section]) for target in targets]
    order = Order(routes, STEADY_CONNECTIONS, stage.seconds(STEADY_SECONDS), STEADY_RATE)
    shown = "first_ms_p50" if section == "first_token" else "ms_p50"
    for number in range(stage.rounds):
        syncs = sync_ms(stage.folder, stage.count(SYNCS), SYNC_PAUSE_SECONDS)
        before = {target.name: target.cpu_seconds() for target in targets}
        result = drive(order, stage.layout.load)
        used = {target.name: target.cpu_seconds() - before[target.name] for target in targets}
        syncs += sync_ms(stage.folder, stage.count(SYNCS), SYNC_PAUSE_SECONDS)
        sync = {"sync_ms_p50": percentile(syncs, 0.5), "sync_ms_p99": percentile(syncs, 0.99)}
        found = result["routes"]
        for name, figures in found.items():
            cost = {"cpu_us": used[name] / figures["calls"] * 1e6}
            rows.append({"work": section, "gateway": name, "round": number, **figures, **sync, **cost})
        middles = ", ".join(f"{name} {figures[shown]:.2f} ms" for name, figures in found.items())
        say(f"{section}: {middles}, fdatasync {sync['sync_ms_p50']:.2f} ms")
    return rows


def starts(stage: Stage, floor: Sequence[Recipe], ours: Callable[[Path], Waypost]) -> list[Row]:
    """Each started anew: how soon it answers, what memory it and open streams need. Ours begins in an empty folder."""
    rows: list[Row] = []
    for number in range(stage.rounds):
        waypost = ours(stage.folder / f"start-{number}")
        with waypost.start() as running:
            rows.append({"work": "first_start", "gateway": running.name, "round": number, **_vital(running)})
        for start in (*(recipe.start for recipe in floor), waypost.start):
            with start() as running:
                rows.append({"work": "start", "gateway": running.name, "round": number, **started(stage, running)})
    return rows


def peer_started(stage: Stage, peer: Running) -> list[Row]:
    """The same of a peer, once; afterwards it stands still."""
    row = _tried(stage, peer, "open streams", partial(started, stage, peer)) or _vital(peer)
    return [{"work": "start", "gateway": peer.name, "round": 0, **row}]


def _vital(running: Running) -> Row:
    return {"start_seconds": running.start_seconds, "start_bytes": running.start_bytes}


def started(stage: Stage, running: Running) -> Row:
    """A gateway that was just started."""
    count = stage.count(IDLE_STREAMS, 20)
    drive(Order([running.route("whole")], CONNECTIONS["whole"], stage.seconds(WARM_CALLS_SECONDS)), stage.layout.load)
    before = running.resident_bytes()
    with holding(Order([running.route("idle")], count, hold=True), stage.layout.load) as streams:
        held = running.resident_bytes()
    if streams != count:
        raise TargetFailed(f"{running.name} holds {streams} of {count} open streams")
    say(f"start {running.name}: {running.start_seconds:.2f} s, {running.start_bytes / 1e6:.0f} MB")
    return {
        **_vital(running),
        "held_bytes": held,
        "stream_bytes": (held - before) / count,
        "streams": count,
    }


def growth(stage: Stage, many: grown.Size) -> list[Row]:
    """A large installation beside a small one, on the same work: what size costs a call."""
    workers, settings = 1, grown.settings(stage.upstream.port)
    size = grown.Size(*(stage.count(number, 10) for number in many))
    rows: list[Row] = []
    with ExitStack() as stack:
        pair = []
        for name, wanted in (("few", grown.FEW), ("many", size)):
            say(f"growth: making {wanted}")
            installation = grown.make(stage.folder / name, wanted)
            ours = Waypost(installation.folder, settings, stage.layout.gateway, workers, name)
            pair.append((installation, stack.enter_context(ours.start())))
        for number in range(-1, stage.rounds):  # one to warm up
            for installation, running in pair:
                seconds = stage.seconds(SECONDS["whole"])
                order = Order([installation.route(running)], CONNECTIONS["whole"], seconds)
                row = {"work": "growth", "gateway": running.name, "round": number, **_counted(stage, running, order)}
                row |= {**_vital(running), "size": str(size)}
                rows += [row] if number >= 0 else []
        say(f"growth: {rows[-2]['cpu_us']:.0f} µs with few, {rows[-1]['cpu_us']:.0f} µs with many")
    return rows
