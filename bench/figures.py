"""From what was seen in each round to one figure for each line of the budget."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from bench.budget import BUDGET

Rows = Sequence[Mapping[str, Any]]
OURS, FLOOR, DIRECT = "waypost", "nginx", "direct"
BUSY: Final = 0.9
"""A core that works this share of the time has nothing to spare."""
QUIET: Final = 0.8
"""A gateway under full load that works less than this on its own core did not have it to itself."""


class Spread(NamedTuple):
    """The median of the rounds, and the lowest and highest of them."""

    middle: float
    low: float
    high: float


class Figure(NamedTuple):
    """What was measured for a line of the budget."""

    key: str
    value: Spread | None
    detail: str


def spread(values: Iterable[float]) -> Spread | None:
    """None for nothing."""
    kept = list(values)
    return Spread(statistics.median(kept), min(kept), max(kept)) if kept else None


def of(rows: Rows, work: str, gateway: str) -> dict[int, Mapping[str, Any]]:
    """The rows of a gateway at one kind of work, by round."""
    return {row["round"]: row for row in rows if row["work"] == work and row["gateway"] == gateway}


def column(rows: Rows, work: str, gateway: str, name: str) -> Spread | None:
    """One value over the rounds."""
    return spread(row[name] for row in of(rows, work, gateway).values() if name in row)


def ratio(rows: Rows, work: str, name: str, over: str = OURS, under: str = FLOOR) -> Spread | None:
    """One gateway's value to another's, round by round."""
    mine, other = of(rows, work, over), of(rows, work, under)
    return spread(mine[number][name] / other[number][name] for number in mine.keys() & other.keys())


def added(rows: Rows, work: str, name: str, gateway: str, under: str, *, beyond: str | None = None) -> Spread | None:
    """What a gateway adds to what is under it, round by round; beyond a column of its own row."""
    mine, other = of(rows, work, gateway), of(rows, work, under)
    shared = mine.keys() & other.keys()
    return spread(mine[key][name] - other[key][name] - (mine[key][beyond] if beyond else 0.0) for key in shared)


def figures(rows: Rows, *, pinned: bool) -> list[Figure]:
    """One for each line of the budget. What is asked of one core alone says nothing where nobody had one."""
    found = [Figure(line.key, *MAKERS[line.key](rows)) for line in BUDGET]
    return [figure if pinned or figure.key != "rate" else _of_many_cores(figure) for figure in found]


Made = tuple[Spread | None, str]


def _cost(work: str) -> Callable[[Rows], Made]:
    def made(rows: Rows) -> Made:
        names = [name for name in (OURS, FLOOR) if of(rows, work, name)]
        costs = [f"{name} {_middle(rows, work, name, 'cpu_us'):,.0f} µs" for name in names]
        return ratio(rows, work, "cpu_us"), ", ".join(costs)

    return made


def _latency(work: str, name: str, *, beyond_sync: bool) -> Callable[[Rows], Made]:
    def made(rows: Rows) -> Made:
        if not of(rows, work, OURS):
            return None, ""
        sync = f"sync_{name.removeprefix('first_')}"
        parts = [f"directly {_middle(rows, work, DIRECT, name):.2f}", f"{OURS} {_middle(rows, work, OURS, name):.2f}"]
        if of(rows, work, FLOOR):
            parts.append(f"{FLOOR} {_middle(rows, work, FLOOR, name):.2f}")
        parts.append(f"fdatasync {_middle(rows, work, OURS, sync):.2f} ms")
        beyond = sync if beyond_sync else None
        return added(rows, work, name, OURS, DIRECT, beyond=beyond), ", ".join(parts)

    return made


def _start(name: str, unit: float, digits: int) -> Callable[[Rows], Made]:
    def made(rows: Rows) -> Made:
        ours, floor = column(rows, "start", OURS, name), column(rows, "start", FLOOR, name)
        detail = [f"{FLOOR} {floor.middle / unit:.{digits}f}"] if floor else []
        first = column(rows, "first_start", OURS, name)
        if first:
            detail.append(f"in an empty folder {first.middle / unit:.{digits}f}")
        return ours and Spread(*(value / unit for value in ours)), ", ".join(detail)

    return made


def _rate(rows: Rows) -> Made:
    ours, floor = (column(rows, "whole", name, "calls_per_second") for name in (OURS, FLOOR))
    return ours, f"{FLOOR} {floor.middle:,.0f}/s" if floor else ""


def _of_many_cores(rate: Figure) -> Figure:
    ours = [f"{OURS} {rate.value.middle:,.0f}/s on all cores"] if rate.value else []
    return Figure(rate.key, None, ", ".join([*ours, rate.detail] if rate.detail else ours))


def _growth(rows: Rows) -> Made:
    many = of(rows, "growth", "many")
    if not many:
        return None, ""
    row = next(iter(many.values()))
    few_us, many_us = (_middle(rows, "growth", name, "cpu_us") for name in ("few", "many"))
    cost = f"{few_us:,.0f} and {many_us:,.0f} µs"
    start = f"start {row['start_seconds']:.1f} s and {row['start_bytes'] / 1e6:,.0f} MB"
    return ratio(rows, "growth", "cpu_us", "many", "few"), f"{row['size']}: {cost}; {start}"


def _middle(rows: Rows, work: str, gateway: str, name: str) -> float:
    found = column(rows, work, gateway, name)
    return found.middle if found else float("nan")


MAKERS: Final[Mapping[str, Callable[[Rows], Made]]] = {
    "whole": _cost("whole"),
    "paced": _cost("paced"),
    "burst": _cost("burst"),
    "added_p50": _latency("latency", "ms_p50", beyond_sync=True),
    "added_p99": _latency("latency", "ms_p99", beyond_sync=True),
    "first_token_p99": _latency("first_token", "first_ms_p99", beyond_sync=False),
    "memory": _start("start_bytes", 1e6, 0),
    "stream": _start("stream_bytes", 1024, 1),
    "start": _start("start_seconds", 1, 2),
    "rate": _rate,
    "growth": _growth,
}


def bottlenecks(rows: Rows, *, pinned: bool, load_shares: bool, cores: int) -> list[str]:
    """Where it was not the gateway that was busy, so that its calls/s are not its own, or where calls came late."""
    found = []
    for work in ("whole", "burst", "paced"):
        for gateway in dict.fromkeys(row["gateway"] for row in rows if row["work"] == work):
            found += _bottleneck(rows, work, gateway, load_shares if pinned else None, cores)
    late = [(row["work"], row["gateway"], row["late"]) for row in rows if row.get("late")]
    return found + [f"{work}, {gateway}: {count} calls could not be sent in time" for work, gateway, count in late]


def _bottleneck(rows: Rows, work: str, gateway: str, load_shares: bool | None, cores: int) -> list[str]:
    names = ("gateway_share", "load_share", "upstream_share")
    own, load, upstream = (_middle(rows, work, gateway, name) for name in names)
    where = f"{work}, {gateway}"
    if load_shares is None:
        if own + load + upstream > BUSY * cores:
            return [f"{where}: all {cores} cores were busy, the load took {load:.0%} and the provider {upstream:.0%}"]
    elif load_shares and load + upstream > BUSY:
        return [
            f"{where}: the load ({load:.0%}) and the provider ({upstream:.0%}) filled their core: calls/s is theirs"
        ]
    if load > BUSY:
        return [f"{where}: the load generator was busy {load:.0%} of the time: calls/s is its own"]
    if upstream > BUSY:
        return [f"{where}: the canned provider was busy {upstream:.0%} of the time: calls/s is its own"]
    if work != "paced" and gateway in (OURS, FLOOR) and load_shares is not None and own < QUIET:
        return [f"{where}: nobody was busy (the gateway {own:.0%}, the load {load:.0%}): others used its core"]
    return []
