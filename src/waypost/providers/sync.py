"""`waypost models sync`: ask who runs which model at which price, and say what has changed since.

Fetches; `listings` reads what came, `routing.sheets` writes it down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from waypost.domain.endpoints import Endpoint, Provider, Sheet
from waypost.domain.money import NANO_USD_PER_USD, Price
from waypost.domain.problems import Failed
from waypost.providers.fetch import fetch_json
from waypost.providers.known import HUB_URL, HUGGINGFACE, KNOWN_BY_SLUG
from waypost.providers.listings import NoList, Origin, hub_ids, provider_sheet, providers_named, router_sheet
from waypost.providers.upstream import Upstream

MODELS_PATH: Final = "/models"
SHOWN_MAX: Final = 20


class Repriced(NamedTuple):
    """An endpoint whose price is another one than before; None is unpriced."""

    model: str
    provider: str
    before: Price | None
    after: Price | None


class Changes(NamedTuple):
    """What is different in a sheet: endpoints by model and provider."""

    new: tuple[tuple[str, str], ...]
    gone: tuple[tuple[str, str], ...]
    repriced: tuple[Repriced, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """For people: the totals, then at most twenty lines of each kind."""
        totals = f"{len(self.new)} new, {len(self.gone)} gone, {len(self.repriced)} with another price"
        new = [f"+ {model} at {provider}" for model, provider in self.new]
        gone = [f"- {model} at {provider}" for model, provider in self.gone]
        repriced = [f"~ {r.model} at {r.provider}: {_usd(r.before)} → {_usd(r.after)}" for r in self.repriced]
        return (totals, *_some(new), *_some(gone), *_some(repriced))


async def sync(
    upstream: Upstream, provider: Provider, as_of: str, last: Sheet | None = None, hub_url: str = HUB_URL
) -> Sheet:
    """What a provider's list says today (`as_of`, ISO date).

    `last` is Hugging Face's newest sheet, which knows what models are called at a provider. Raises Failed.
    """
    path = _models_path(provider)
    if provider.slug == HUGGINGFACE:
        return await _sync_router(upstream, provider, as_of, hub_url)
    origin = Origin(provider.slug, provider.base_url + path, as_of)
    document = await fetch_json(upstream, provider, path)
    try:
        return provider_sheet(document, _known_ids(last, provider.slug), origin)
    except NoList as no_list:
        raise _unusable(origin.source, str(no_list)) from None


def changes(before: Sheet | None, after: Sheet) -> Changes:
    """What is different; without a sheet before, everything is new."""
    old = _by_key(before) if before else {}
    new = _by_key(after)
    repriced = (
        Repriced(*key, old[key].price, new[key].price)
        for key in new
        if key in old and _figures(old[key].price) != _figures(new[key].price)
    )
    return Changes(
        tuple(key for key in new if key not in old), tuple(key for key in old if key not in new), tuple(repriced)
    )


async def _sync_router(upstream: Upstream, provider: Provider, as_of: str, hub_url: str) -> Sheet:
    """Hugging Face's list names providers but not their ids; the Hub tells those, provider by provider."""
    origin = Origin(provider.slug, provider.base_url + MODELS_PATH, as_of)
    # Both are public, and a token could narrow them to what its owner has enabled.
    document = await fetch_json(upstream, _without_key(provider.slug, provider.base_url, provider), MODELS_PATH)
    hub = _without_key("hub", hub_url, provider)
    try:
        slugs = providers_named(document)
        told = await asyncio.gather(*(_hub_ids(upstream, hub, slug) for slug in slugs))
        ids = {slug: ids for slug, ids in zip(slugs, told, strict=True) if not isinstance(ids, str)}
        sheet = router_sheet(document, ids, origin)
    except NoList as no_list:
        raise _unusable(origin.source, str(no_list)) from None
    notes = tuple(f"ids of {slug}: {why}" for slug, why in zip(slugs, told, strict=True) if isinstance(why, str))
    return sheet._replace(notes=(*sheet.notes, *notes))


async def _hub_ids(upstream: Upstream, hub: Provider, slug: str) -> Mapping[str, str] | str:
    """What models are called at a provider, or why that is not known."""
    try:
        return hub_ids(await fetch_json(upstream, hub, f"/api/partners/{slug}/models?status=live"))
    except Failed as failed:
        return failed.why


def _models_path(provider: Provider) -> str:
    known = KNOWN_BY_SLUG.get(provider.slug)
    path = known.models_path if known else MODELS_PATH
    if path is None:
        raise _unusable(provider.base_url, f"{provider.slug} publishes no list of models that we can read")
    return path


def _known_ids(last: Sheet | None, slug: str) -> dict[str, str]:
    if last is None:
        return {}
    return {each.id: model.id for model in last.models for each in model.endpoints if each.provider == slug}


def _without_key(slug: str, base_url: str, like: Provider) -> Provider:
    return Provider(slug, base_url, allow_private=like.allow_private)


def _by_key(sheet: Sheet) -> dict[tuple[str, str], Endpoint]:
    return {endpoint.key: endpoint for model in sheet.models for endpoint in model.endpoints}


def _figures(price: Price | None) -> tuple[object, ...] | None:
    return price[:-1] if price else None


def _usd(price: Price | None) -> str:
    if price is None:
        return "unpriced"
    return " / ".join(f"{figure / NANO_USD_PER_USD:g}" for figure in (price.input, price.output)) + " USD per million"


def _some(lines: list[str]) -> list[str]:
    more = len(lines) - SHOWN_MAX
    return [*lines[:SHOWN_MAX], f"  … and {more} more"] if more > 0 else lines


def _unusable(source: str, why: str) -> Failed:
    return Failed(
        "provider_failed",
        f"{source} could not be read as a list of models.",
        why=why,
        fix="Check base_url; where a provider has no list, write its models into waypost.toml.",
    )
