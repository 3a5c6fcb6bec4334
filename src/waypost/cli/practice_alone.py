"""`waypost practice`: practice providers alone, until they are told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import uvloop

from waypost.cli.columns import Column, show_list
from waypost.cli.exits import Exit, Stop
from waypost.cli.options import Call, usage_error
from waypost.cli.screen import Screen
from waypost.domain.problems import Refusal
from waypost.domain.tables import did_you_mean
from waypost.practice.faults import FAULTS, read
from waypost.practice.profiles import BENCH, BUILT_IN, PracticeProvider
from waypost.practice.server import PracticeServers, serve_practice

PROFILES: Final = {profile.slug: profile for profile in (*BUILT_IN, BENCH)}


def practise(  # noqa: PLR0913 (each is an option)
    call: Call,
    host: str,
    port: int,
    slugs: tuple[str, ...],
    faults: tuple[str, ...],
    speed: float | None,
    *,
    list_faults: bool,
) -> None:
    """Run them until SIGINT or SIGTERM, or list what can go wrong."""
    if list_faults:
        rows = [{"name": name, "argument": fault.argument, "about": fault.about} for name, fault in FAULTS.items()]
        show_list(call.screen, rows, FAULT_COLUMNS)
        return
    profiles = [_changed(profile, faults, speed) for profile in _chosen(slugs)]
    try:
        uvloop.run(_serve(call.screen, profiles, host, port))
    except OSError as error:
        raise Stop(
            Exit.SETTINGS,
            f"Cannot listen on {host}, port {port} and those after it: {os.strerror(error.errno or 0).lower()}.",
            "Choose others with --port; 0 takes any free ones.",
        ) from None


def _chosen(slugs: tuple[str, ...]) -> list[PracticeProvider]:
    for slug in slugs:
        if slug not in PROFILES:
            raise usage_error(
                f"There is no practice provider {slug!r}{did_you_mean(slug, PROFILES)}.",
                f"Known: {', '.join(PROFILES)}.",
            )
    return [PROFILES[slug] for slug in slugs] or list(BUILT_IN)


def _changed(profile: PracticeProvider, faults: tuple[str, ...], speed: float | None) -> PracticeProvider:
    if faults:
        text = ",".join(faults)
        try:
            read(text)
        except Refusal as refusal:
            hint = f"{refusal.fix} `waypost practice --list-faults` lists them."
            raise usage_error(refusal.message, hint) from None
        profile = replace(profile, faults=text)
    return profile if speed is None else profile.at_speed(speed)


async def _serve(screen: Screen, profiles: Iterable[PracticeProvider], host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await serve_practice(stop, lambda servers: _announce(screen, servers), profiles, host, port)


def _announce(screen: Screen, servers: PracticeServers) -> None:
    rows = [_row(slug, servers) for slug in servers]
    show_list(screen, rows, COLUMNS)
    screen.flush()
    if screen.human:
        first = rows[0]
        screen.note("")
        screen.note("Each takes any key. A caller can ask for a fault with the header x-practice-fault, or as part of")
        screen.note(f"the model's name: {first['models'][0]}+status_503. Ctrl-C stops them.")
        screen.hint(f"curl {first['base_url']}/models")


def _row(slug: str, servers: PracticeServers) -> dict[str, Any]:
    server = servers[slug]
    provider = server.desk.provider
    return {
        "slug": slug,
        "base_url": server.base_url,
        "models": [endpoint.id for endpoint in provider.models],
        "faults": [wanted.text for wanted in server.desk.wanted],
        "speed": provider.speed,
    }


COLUMNS: Final = (
    Column("PROVIDER", lambda row: row["slug"], key="slug"),
    Column("ADDRESS", lambda row: row["base_url"], key="base_url"),
    Column("MODELS", lambda row: row["models"], ", ".join, flex=True),
    Column("FAULTS", lambda row: row["faults"], lambda faults: ", ".join(faults) or "none", flex=True),
)
FAULT_COLUMNS: Final = (
    Column("FAULT", lambda row: row["name"], key="name"),
    Column("ARGUMENT", lambda row: row["argument"]),
    Column("WHAT IT DOES", lambda row: row["about"], key="about"),
)
