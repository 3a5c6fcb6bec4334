"""`waypost providers list` and `show`: what the settings and this shell's environment make of every provider."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from waypost.cli.columns import Column, show_list, show_one
from waypost.cli.options import Call, usage_error
from waypost.cli.screen import Screen
from waypost.cli.whereabouts import settings_at
from waypost.domain.endpoints import Model, Provider
from waypost.domain.tables import did_you_mean
from waypost.providers.known import KNOWN_BY_SLUG
from waypost.routing.assembly import assemble
from waypost.routing.sheets import read_sheets
from waypost.settings import Settings

Row = dict[str, Any]


def show_providers(call: Call, *, everybody: bool) -> None:
    """Those that can be called or were configured; or all."""
    settings = settings_at(call.where)
    models = models_of(settings)
    rows = [as_json(provider, settings, models) for provider in settings.providers.values()]
    wanted = [row for row in rows if everybody or row["state"] != "no key" or row["configured"]]
    show_list(
        call.screen, wanted, COLUMNS, "No provider has a key in this environment; --all lists those that are known."
    )
    if wanted:
        call.screen.hint(f"waypost providers test {wanted[0]['slug']}")


def show_provider(call: Call, slug: str) -> None:
    """One provider."""
    settings = settings_at(call.where)
    row = as_json(named(settings, slug), settings, models_of(settings))
    show_one(call.screen, row, [(name.replace("_", " "), value) for name, value in row.items()])


def named(settings: Settings, slug: str) -> Provider:
    """The provider of that name. Raises Stop."""
    provider = settings.providers.get(slug)
    if provider is not None:
        return provider
    if slug.startswith("practice-"):
        raise usage_error(
            f"{slug} is a practice provider: it runs inside of the server.", f"waypost chat -m practice/parrot:{slug}"
        )
    near = did_you_mean(slug, settings.providers) or "."
    raise usage_error(f"There is no provider {slug!r}{near}", "`waypost providers list --all` lists those there are.")


def models_of(settings: Settings) -> dict[str, Model]:
    """The catalogue as it lies in the data folder and the settings, practice models left out."""
    return assemble(read_sheets(settings.catalogue_folder).sheets, settings.models, settings.as_of).models


def key_state(provider: Provider) -> str:
    """Where the key is, or which variable would hold it; never the key."""
    if provider.key is not None:
        return f"from {provider.key_env}"
    if provider.keyless:
        return "none needed"
    return f"{provider.key_env} is not set" if provider.key_env else "we cannot call it"


def as_json(provider: Provider, settings: Settings, models: dict[str, Model]) -> Row:
    """A provider as programs read it."""
    run = Counter(endpoint.provider for model in models.values() for endpoint in model.endpoints)
    state = "off" if provider.disabled else "usable" if provider.usable else "no key"
    prefix = f"providers.{provider.slug}."
    return {
        "slug": provider.slug,
        "state": state,
        "key": key_state(provider),
        "models": run[provider.slug],
        "base_url": provider.base_url,
        "known": provider.slug in KNOWN_BY_SLUG,
        "configured": any(line.key.startswith(prefix) and line.key != f"{prefix}key" for line in settings.lines),
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
