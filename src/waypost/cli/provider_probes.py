"""`waypost providers test` and `discover`: ask, and say what came."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import itemgetter
from time import perf_counter
from typing import Any, Final, NamedTuple

from waypost.cli.amounts import duration
from waypost.cli.calling_out import call_out, exit_of_failure
from waypost.cli.columns import Column, show_list, show_one
from waypost.cli.exits import Exit
from waypost.cli.failures import one_line
from waypost.cli.options import Call, usage_error
from waypost.cli.provider_lists import key_state, named
from waypost.cli.screen import plain, plain_lines
from waypost.cli.whereabouts import read_standing, settings_at
from waypost.domain.endpoints import Provider
from waypost.domain.problems import Failed
from waypost.providers.discover import PORTS, Discovery, discover
from waypost.providers.fetch import FetchLimits, fetch_json
from waypost.providers.known import KNOWN_BY_SLUG
from waypost.providers.listings import NoList, items_of
from waypost.providers.upstream import Upstream
from waypost.settings import Settings

MODELS_PATH: Final = "/models"
LIMITS: Final = FetchLimits(seconds_max=20.0)


class Probed(NamedTuple):
    """What a provider answered when asked for its list of models."""

    slug: str
    exit: Exit
    evidence: str
    fix: str = ""
    models: int | None = None
    ms: float = 0.0

    @property
    def well(self) -> bool:
        return self.exit is Exit.FINE


def probe_one(call: Call, slug: str) -> int:
    """Reach one provider; the exit code says whether it is well."""
    settings = settings_at(call.where)
    provider = named(settings, slug)
    if not provider.usable:
        raise usage_error(f"{slug} has no key: {key_state(provider)}.", "Put the key into the environment.")
    probed = call_out(settings, lambda upstream: probe(upstream, provider))
    told = {**probed._asdict(), "exit": int(probed.exit), "well": probed.well}
    facts = [
        ("provider", slug),
        ("well", probed.well),
        ("address", provider.base_url),
        ("key", key_state(provider)),
        ("answer", probed.evidence),
        ("models", probed.models),
        ("time", duration(probed.ms)),
    ]
    show_one(call.screen, told, facts)
    if probed.fix:
        call.screen.hint(plain(probed.fix))
    elif probed.well:
        call.screen.hint(f"waypost models sync {slug}")
    return probed.exit


async def probe(upstream: Upstream, provider: Provider) -> Probed:
    """Ask for its list of models, which every provider gives to a good key at no cost."""
    began = perf_counter()
    answer = await _asked(upstream, provider)
    return answer._replace(ms=round((perf_counter() - began) * 1000, 3))


async def _asked(upstream: Upstream, provider: Provider) -> Probed:
    known = KNOWN_BY_SLUG.get(provider.slug)
    path = known.models_path if known else MODELS_PATH
    try:
        count = len(items_of(await fetch_json(upstream, provider, path or MODELS_PATH, LIMITS)))
    except NoList as no_list:
        return Probed(provider.slug, Exit.PROVIDER, f"it answers, but {no_list}", "Check base_url.")
    except Failed as failed:
        status = failed.extra.get("status")
        if path is None and status is not None and failed.code != "provider_refused_key":
            said = f"it answers ({status}), and has no list of models that would tell whether the key is good"
            return Probed(provider.slug, Exit.FINE, said)
        said = one_line(failed.message, failed.why)
        return Probed(provider.slug, exit_of_failure(failed), said, failed.fix)
    return Probed(provider.slug, Exit.FINE, "it answers, and takes the key", models=count)


def discover_here(call: Call, ports: tuple[int, ...]) -> int:
    """Model servers on this machine; the settings for them on stdout."""
    settings = settings_at(call.where)
    today = datetime.now(UTC).date().isoformat()
    ours = _our_ports(settings)
    found = call_out(settings, lambda upstream: discover(upstream, today, ports or PORTS, ours))
    screen = call.screen
    if screen.human:
        _show_found(call, found)
    else:
        show_list(screen, [_as_json(one) for one in found.found], FOUND)
    return Exit.FINE if found.found else Exit.NOT_WELL


def _show_found(call: Call, found: Discovery) -> None:
    screen = call.screen
    for port, why in found.skipped:
        screen.note(screen.faint(f"port {port}: {plain(why)}"))
    for one in found.found:
        screen.note(
            f"port {one.port}: {screen.alarm('')}{plain(one.name)}, {len(one.models)} models ({plain(one.evidence)})"
        )
    screen.note("")
    for one in found.found:
        screen.out(plain_lines(one.toml))
    if found.found:
        screen.hint("put these lines into waypost.toml; a running server takes them up by itself")
    else:
        screen.note("No model server answers on these ports.")
        screen.hint("name other ports with --port")


def _our_ports(settings: Settings) -> tuple[int, ...]:
    standing = read_standing(settings.data_folder)
    return (int(standing.address.rpartition(":")[2]),) if standing is not None else ()


def _as_json(found: Any) -> dict[str, Any]:
    return {
        "slug": found.provider.slug,
        "name": found.name,
        "port": found.port,
        "base_url": found.provider.base_url,
        "models": [model.id for model in found.models],
        "evidence": found.evidence,
        "toml": found.toml,
    }


FOUND: Final = tuple(Column(name, itemgetter(name)) for name in ("slug", "name", "port", "base_url", "models"))
