"""`waypost doctor --local`: what can be seen from this machine, each check with its evidence and its fix."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from waypost.cli.calling_out import call_out
from waypost.cli.checkup_folder import check_catalogue, check_data, check_people
from waypost.cli.checkup_parts import BAD, NOTE, OK, SKIPPED, Check
from waypost.cli.checkup_server import check_port
from waypost.cli.columns import GAP
from waypost.cli.exits import Exit
from waypost.cli.options import Call
from waypost.cli.provider_lists import key_state
from waypost.cli.provider_probes import Probed, probe
from waypost.cli.screen import Screen, as_called, plain
from waypost.cli.whereabouts import settings_at
from waypost.domain.endpoints import Provider
from waypost.providers.upstream import Upstream
from waypost.settings import Settings
from waypost.settings_file import SettingsError

STATE_WIDTH: Final = 8
ID_WIDTH: Final = 18


def check_up(call: Call, *, local: bool, offline: bool) -> int:
    """Every check; the exit code is 1 where something is not well."""
    if not local:
        call.screen.hint("these are the checks of this machine, `--local`; there are no others yet")
    checks = []
    for check in _checks(call, offline=offline):
        checks.append(check)
        if call.screen.human:
            _show(call.screen, check)
    if not call.screen.human:
        _print(call.screen, checks)
    bad = sum(check.state == BAD for check in checks)
    if call.screen.human:
        call.screen.out()
        call.screen.out(f"{bad} of {len(checks)} checks not well." if bad else f"All {len(checks)} checks are well.")
    return Exit.NOT_WELL if bad else Exit.FINE


def _checks(call: Call, *, offline: bool) -> Iterator[Check]:
    try:
        settings = settings_at(call.where)
    except SettingsError as error:
        for fault in error.faults:
            yield Check("settings", BAD, fault.line, "Correct it; docs/reference/settings.md says what it must be.")
        yield Check("rest", SKIPPED, "everything else needs settings that can be read")
        return
    yield Check("settings", OK, str(settings.file) if settings.file else "no file, all defaults")
    yield from (Check("settings", NOTE, note) for note in settings.notes)
    yield from check_data(settings)
    yield from check_people(settings)
    yield from check_port(settings)
    yield from check_keys(settings)
    yield from check_catalogue(settings)
    yield from check_providers(settings, offline=offline)


def check_keys(settings: Settings) -> Iterator[Check]:
    """Which providers can be called. A key that the settings name and nobody set is a fault."""
    usable = [provider for provider in settings.providers.values() if provider.usable and not provider.disabled]
    named = {line.key.split(".")[1] for line in settings.lines if line.key.endswith(".key_env")}
    for slug in sorted(named):
        provider = settings.providers[slug]
        if provider.key is None and not provider.disabled:
            fix = f"export {provider.key_env}=…, where Waypost is started; or take [providers.{slug}] out."
            yield Check(f"keys.{slug}", BAD, f"{provider.key_env} is not set", fix)
    if usable:
        yield Check("keys", OK, ", ".join(f"{provider.slug}: {key_state(provider)}" for provider in usable))
    else:
        said = "no provider has a key in this environment, so practice providers serve"
        yield Check("keys", NOTE, said, "Set one, such as HF_TOKEN.")


def check_providers(settings: Settings, *, offline: bool) -> Iterator[Check]:
    """Each provider that can be called, asked for its list of models."""
    usable = [provider for provider in settings.providers.values() if provider.usable and not provider.disabled]
    if offline:
        yield Check("providers", SKIPPED, "--offline")
        return
    if not usable:
        return
    for probed in call_out(settings, lambda upstream: _probe_all(upstream, usable)):
        models = "" if probed.models is None else f", {probed.models} models"
        state = OK if probed.well else BAD
        yield Check(f"providers.{probed.slug}", state, f"{probed.evidence}{models} ({probed.ms:.0f} ms)", probed.fix)


async def _probe_all(upstream: Upstream, providers: list[Provider]) -> list[Probed]:
    return list(await asyncio.gather(*(probe(upstream, provider) for provider in providers)))


def _show(screen: Screen, check: Check) -> None:
    paint = {OK: screen.green, BAD: screen.red, NOTE: screen.yellow}.get(check.state, screen.dim)
    screen.out(
        f"{paint(check.state.ljust(STATE_WIDTH))}{GAP}{plain(check.id).ljust(ID_WIDTH)}{GAP}{plain(check.evidence)}"
    )
    if check.fix:
        screen.out(f"{' ' * (STATE_WIDTH + ID_WIDTH)}{GAP}{GAP}{screen.dim('fix:')} {as_called(plain(check.fix))}")
    screen.flush()


def _print(screen: Screen, checks: list[Check]) -> None:
    if screen.style == "json":
        screen.json([check._asdict() for check in checks])
    elif screen.style == "quiet":
        screen.rows([check.id] for check in checks if check.state == BAD)
    else:
        screen.rows([Check._fields, *checks])
