"""`./dev bench`: what a call costs through us, beside nginx on the same work, interleaved in one run."""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import cores, grown, machine, processes, targets, work
from bench.figures import bottlenecks, figures
from bench.peers import PEERS
from bench.report import DOCUMENT, Report, as_markdown, as_text, with_section
from bench.targets import BareRelay, Nginx, Recipe, Running, TargetFailed, Waypost
from bench.work import Row, Stage

SECTIONS = ("starts", *work.SECONDS, *work.STEADY, "growth")
OPEN_FILES = 65_536


def main() -> None:
    """Measure, print, and write."""
    parser = arguments()
    given = parser.parse_args()
    if given.write and set(given.only) != set(SECTIONS):
        parser.error("--write wants every section: leave --only out")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise_open_files()
    try:
        report = measured(given)
    except TargetFailed as failed:
        raise SystemExit(f"./dev bench: {failed}") from None
    print(as_text(report))
    if given.json:
        given.json.write_text(json.dumps(as_json(report), indent=1) + "\n")
    if given.write:
        write(report, section_name(given))


def arguments() -> argparse.ArgumentParser:
    """What can be given."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    say = parser.add_argument
    say("--rounds", type=int, default=5, metavar="N", help="rounds of everything; the medians count  [default: 5]")
    say("--scale", type=float, default=1.0, metavar="X", help="share of the usual time, streams and sizes")
    say("--only", type=sections, default=SECTIONS, metavar="A,B", help=f"sections, of {','.join(SECTIONS)}")
    say("--unpinned", action="store_true", help="let everything run on any core")
    say("--workers", type=int, default=1, metavar="N", help="serving processes, of Waypost and of nginx")
    say("--full", action="store_true", help="growth with 10,000,000 waybills: some GB and minutes more")
    say("--peers", action="store_true", help="beside other gateways too, from PyPI and npm: a GB and minutes more")
    say("--without-nginx", action="store_true", help="measure Waypost alone; then there are no ratios")
    say("--folder", type=Path, metavar="DIR", help="where the data lies for the time of the run: the disk to measure")
    say("--json", type=Path, metavar="FILE", help="write all that was seen")
    say("--write", action="store_true", help="write the tables into docs/performance.md")
    return parser


def sections(text: str) -> tuple[str, ...]:
    """Names with commas. Raises ArgumentTypeError."""
    names = tuple(text.split(","))
    for name in names:
        if name not in SECTIONS:
            raise argparse.ArgumentTypeError(f"no section {name!r}; there are {', '.join(SECTIONS)}")
    return names


def raise_open_files() -> None:
    """A thousand streams are two thousand sockets in a gateway; its soft limit is ours."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def measured(given: argparse.Namespace) -> Report:
    """The whole run."""
    nginx = None if given.without_nginx else targets.nginx_program(os.pathsep.join(targets.NGINX_FOLDERS))
    layout = cores.layout(cores.available(), given.workers, pinned=not given.unpinned)
    about, notes = machine.described(nginx), machine.restless()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waypost-bench-", dir=given.folder)))
        upstream = stack.enter_context(targets.canned(folder, layout.upstream))
        stage = Stage(folder, layout, upstream, given.rounds, given.scale, {})
        rows = seen(given, stage, nginx)
    notes += [note for note in (layout.note, processes.NOTE) if note]
    notes += [f"{kind}: {why if name in why else f'{name} {why}'}" for (name, kind), why in stage.failures.items()]
    count = len(cores.available())
    notes += bottlenecks(rows, pinned=layout.pinned, load_shares=layout.load_shares, cores=count)
    return Report(title(given, about, layout), figures(rows, pinned=layout.pinned), rows, notes)


def seen(given: argparse.Namespace, stage: Stage, nginx: str | None) -> list[Row]:
    """The sections that were asked for, one after another."""
    place, rows = stage.layout.gateway, []
    settings = targets.waypost_settings(stage.upstream.port, work.KINDS)
    floor = (
        [Recipe("nginx", Nginx(nginx, stage.folder, stage.upstream.port, place, given.workers).start)] if nginx else []
    )
    if "starts" in given.only:
        rows += work.starts(stage, floor, lambda folder: Waypost(folder, settings, place, given.workers))
    with ExitStack() as stack:
        ours = Recipe("waypost", Waypost(stage.folder / "waypost", settings, place, given.workers).start)
        bare = [Recipe("bare relay", BareRelay(stage.folder, stage.upstream.port, place).start)] if nginx else []
        gateways = [stack.enter_context(recipe.start()) for recipe in (*floor, ours)]
        relays = [stack.enter_context(recipe.start()) for recipe in bare]
        peers = at_peers(stage, stack, rows) if given.peers else []
        for kind in work.SECONDS:
            rows += work.saturated(stage, kind, [*gateways, *relays, *peers]) if kind in given.only else []
        for section in work.STEADY:
            rows += work.steady(stage, section, [stage.upstream, *gateways]) if section in given.only else []
    if "growth" in given.only:
        rows += work.growth(stage, grown.FULL if given.full else grown.MANY)
    return rows


def at_peers(stage: Stage, stack: ExitStack, rows: list[Row]) -> list[Running]:
    """The peers that could be installed and that answer; each stands still until its turn."""
    running = []
    for peer in PEERS:
        work.say(f"installing and starting {peer.name}")
        try:
            one = stack.enter_context(peer.start(stage.folder / "peers", stage.upstream.port, stage.layout.gateway))
        except TargetFailed as failed:
            stage.failures[peer.name, "start"] = str(failed)
            work.say(f"{peer.name}: {failed}")
            continue
        rows += work.peer_started(stage, one)
        running.append(one)
    return running


def title(given: argparse.Namespace, about: dict[str, str], layout: cores.Layout) -> str:
    """What was measured, where and when."""
    how = "pinned to cores of its own" if layout.pinned else "unpinned"
    share = f", at {given.scale:g} of the usual length" if given.scale != 1 else ""
    where = ", ".join(about[name] for name in ("date", "chip", "cores", "system", "python", "nginx"))
    return (
        f"{where}, "
        f"Waypost {about['waypost']}; the gateway {how}, {given.workers} worker{'s' * (given.workers > 1)}; "
        f"medians of {given.rounds} interleaved rounds (lowest–highest){share}."
    )


def section_name(given: argparse.Namespace) -> str:
    """Whose place in the document the tables take."""
    if given.peers:
        return "peers"
    if given.workers > 1:
        return "workers"
    return "unpinned" if given.unpinned else "pinned"


def write(report: Report, name: str) -> None:
    """Into the document, between its marks."""
    try:
        text = with_section(DOCUMENT.read_text(encoding="utf-8"), name, as_markdown(report))
    except (OSError, ValueError) as error:
        raise SystemExit(f"./dev bench: {DOCUMENT.name} was not written: {error}") from None
    DOCUMENT.write_text(text, encoding="utf-8")
    print(f"\nwrote the section '{name}' of docs/{DOCUMENT.name}")


def as_json(report: Report) -> dict[str, Any]:
    """Everything, for programs."""
    values: Sequence[dict[str, Any]] = [
        {"key": figure.key, "detail": figure.detail, **(figure.value._asdict() if figure.value else {})}
        for figure in report.figures
    ]
    return {"title": report.title, "figures": values, "notes": report.notes, "rows": report.rows}


if __name__ == "__main__":
    main()
