"""`./dev bench`: what a call costs through us, beside nginx on the same work, interleaved in one run."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import targets
from bench.targets import Target

CALLS = {"whole": 20_000, "burst": 6_000, "paced": 1_000}
CONNECTIONS = {"whole": 64, "burst": 64, "paced": 100}
GATEWAY_CPU, LOAD_CPU = 0, 1


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of calls")
    parser.add_argument("--only", default="whole,burst,paced", help="kinds of work, with commas")
    parser.add_argument("--unpinned", action="store_true", help="let everything run on any core")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    gateway_cpu, load_cpu = (None, None) if given.unpinned else (GATEWAY_CPU, LOAD_CPU)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waypost-bench-")))
        stack.enter_context(targets.upstream(load_cpu))
        gateways = [
            stack.enter_context(targets.nginx(folder, gateway_cpu)),
            stack.enter_context(targets.waypost(folder, gateway_cpu)),
        ]
        rows = [row for kind in given.only.split(",") for row in saturated(kind, gateways, given, load_cpu)]
    report(rows)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


def saturated(
    kind: str, gateways: list[Target], given: argparse.Namespace, load_cpu: int | None
) -> list[dict[str, Any]]:
    """Rounds of one kind of work, the gateways in turn."""
    rows = []
    calls = max(200, int(CALLS[kind] * given.scale))
    for number in range(given.rounds):
        for gateway in gateways:
            before = gateway.cpu_seconds()
            result = load(gateway, kind, calls, CONNECTIONS[kind], load_cpu)
            used = gateway.cpu_seconds() - before
            row = {"kind": kind, "round": number, "gateway": gateway.name, "cpu_us": used / calls * 1e6}
            rows.append(row | {"memory_mb": gateway.memory_mb()} | result)
            print(f"  {kind} {gateway.name} {row['cpu_us']:.0f} µs {result['calls_per_second']:.0f}/s", file=sys.stderr)
            time.sleep(0.3)
    return rows


def load(gateway: Target, kind: str, calls: int, connections: int, cpu: int | None, **more: Any) -> dict[str, Any]:
    """Run the load as a process of its own."""
    body = {
        "model": f"bench/{kind}",
        "messages": [{"role": "user", "content": "x" * 900}],
        "stream": kind != "whole",
    }
    order = {
        "host": "127.0.0.1",
        "port": gateway.port,
        "path": gateway.path(kind),
        "body": body,
        "headers": gateway.headers,
        "connections": connections,
        "calls": calls,
        **more,
    }
    process = targets.pinned([sys.executable, "-m", "bench.load"], cpu, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = process.communicate(json.dumps(order).encode(), timeout=600)
    result: dict[str, Any] = json.loads(out)
    if result["bad"]:
        raise SystemExit(f"{gateway.name} answered {result['bad']} to {kind}")
    return result


def report(rows: list[dict[str, Any]]) -> None:
    """Medians, their spread, and the ratio to nginx."""
    print(f"\n{os.uname().sysname} {os.uname().machine}, {os.cpu_count()} cores")
    print(
        f"{'work':8} {'gateway':9} {'CPU µs/call':>20} {'× nginx':>8} {'calls/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'MB':>6}"
    )
    for kind in dict.fromkeys(row["kind"] for row in rows):
        floor = None
        for gateway in dict.fromkeys(row["gateway"] for row in rows):
            own = [row for row in rows if row["kind"] == kind and row["gateway"] == gateway]
            cpu = [row["cpu_us"] for row in own]
            middle = {
                key: statistics.median(row[key] for row in own) for key in own[0] if isinstance(own[0][key], float)
            }
            floor = floor or middle["cpu_us"]
            spread = f"{middle['cpu_us']:.0f} ({min(cpu):.0f}-{max(cpu):.0f})"
            print(
                f"{kind:8} {gateway:9} {spread:>20} {middle['cpu_us'] / floor:8.2f} {middle['calls_per_second']:9.0f} "
                f"{middle['ms_p50']:8.2f} {middle['ms_p99']:8.2f} {middle['memory_mb']:6.0f}"
            )
            if middle["own_cpu_share"] > 0.9:
                print(
                    f"         the load generator was busy {middle['own_cpu_share']:.0%} of the time: it is the bottleneck"
                )


if __name__ == "__main__":
    main()
