"""`waypost providers list` and `show`: every provider as a server with these settings and this environment has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from waypost.cli.columns import Column, show_list, show_one
from waypost.cli.offers import catalogue_of
from waypost.cli.options import Call, usage_error
from waypost.cli.screen import Screen
from waypost.cli.whereabouts import settings_at
from waypost.domain.endpoints import Provider
from waypost.domain.tables import did_you_mean
from waypost.providers.known import KNOWN_BY_SLUG
from waypost.settings import Settings

Row = dict[str, Any]


def show_providers(call: Call, *, everybody: bool) -> None:
    """Those that can be called or were configured; or all."""
    settings = settings_at(call.where)
    rows = rows_of(settings)
    wanted = [row for row in rows if everybody or row["state"] != "no key" or row["configured"]]
    show_list(call.screen, wanted, COLUMNS, "No provider can be called; --all lists those that are known.")
    if wanted:
        call.screen.hint(_next_step(wanted))


def _next_step(rows: Sequence[Row]) -> str:
    real = [row for row in rows if row["state"] == "usable" and not row["practice"]]
    silent = next((row["slug"] for row in real if not row["models"]), None)
    if silent is not None:
        return f"waypost models sync {silent}"
    if real:
        return f"waypost providers test {real[0]['slug']}"
    return "a key in the environment, such as GROQ_API_KEY, switches a real one on; --all lists them"


def show_provider(call: Call, slug: str) -> None:
    """One provider."""
    settings = settings_at(call.where)
    row = next((row for row in rows_of(settings) if row["slug"] == slug), None)
    if row is None:
        named(settings, slug)  # says what it is instead
    else:
        show_one(call.screen, row, [(name.replace("_", " "), value) for name, value in row.items()])


def named(settings: Settings, slug: str) -> Provider:
    """The provider of that name. Raises Stop."""
    provider = settings.providers.get(slug)
    if provider is not None:
        return provider
    if slug.startswith("practice-"):
        raise usage_error(
            f"{slug} is a practice provider, which runs inside of the server.",
            "`waypost providers list` says who serves; `waypost explain MODEL` why.",
        )
    near = did_you_mean(slug, settings.providers) or "."
    raise usage_error(f"There is no provider {slug!r}{near}", "`waypost providers list --all` lists those there are.")


def key_state(provider: Provider) -> str:
    """Where the key is, or which variable would hold it; never the key."""
    if provider.key is not None:
        return f"from {provider.key_env}"
    if provider.keyless:
        return "none: practice" if provider.practice else "none needed"
    return f"{provider.key_env} is not set" if provider.key_env else "we cannot call it"


def rows_of(settings: Settings) -> list[Row]:
    """Every provider as a server would have it, as programs read it: the settings' own, then practice ones."""
    catalogue = catalogue_of(settings)
    slugs = dict.fromkeys((*settings.providers, *catalogue.providers))
    run = Counter(endpoint.provider for model in catalogue.models.values() for endpoint in model.endpoints)
    configured = {line.key.split(".")[1] for line in settings.lines if _configures(line.key)}
    return [_row(catalogue.providers[slug], run[slug], configured=slug in configured) for slug in slugs]


def _configures(key: str) -> bool:
    return key.startswith("providers.") and not key.endswith(".key")


def _row(provider: Provider, models: int, *, configured: bool) -> Row:
    state = "off" if provider.disabled else "usable" if provider.usable else "no key"
    return {
        "slug": provider.slug,
        "state": state,
        "key": key_state(provider),
        "models": models,
        "base_url": provider.base_url or None,
        "known": provider.slug in KNOWN_BY_SLUG,
        "configured": configured,
        "practice": provider.practice,
    }


def _painted(screen: Screen, state: str) -> str:
    return {"usable": screen.green, "off": screen.yellow}.get(state.strip(), screen.dim)(state)


COLUMNS: Final = (
    Column("PROVIDER", lambda row: row["slug"], key="slug"),
    Column("STATE", lambda row: row["state"], paint=_painted),
    Column("KEY", lambda row: row["key"]),
    Column("MODELS", lambda row: row["models"], right=True, spare=1),
    Column("ADDRESS", lambda row: row["base_url"], flex=True, key="base_url", spare=2),
)
