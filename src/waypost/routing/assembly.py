"""The catalogue's models, put together: synced sheets below, the settings' own rows above them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from waypost.domain.chat import Need
from waypost.domain.endpoints import ABILITIES, Endpoint, Model, Sheet
from waypost.domain.money import Price, dated_price
from waypost.routing.model_rows import PAID_CLASSES, ModelRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PRICE_KEYS: Final = frozenset({f"{name}_usd_per_million" for name in PAID_CLASSES} | {"usd_per_request"})
SETTINGS_SOURCE: Final = "settings"


class Assembled(NamedTuple):
    """Every model there is, in catalogue order, and what could not be used."""

    models: dict[str, Model]
    notes: tuple[str, ...]


def assemble(sheets: Iterable[Sheet], rows: Mapping[str, ModelRow], as_of: str) -> Assembled:
    """Lay the settings' rows over the sheets; `as_of` is the day of the settings.

    A provider's own sheet is laid over what others say of it; what the upper one leaves open stays as the lower one
    has it.
    """
    models: dict[str, Model] = {}
    for sheet in sheets:
        for model in sheet.models:
            below = models.get(model.id)
            models[model.id] = model if below is None else _over(model, below)
    for row in rows.values():
        models[row.id] = _row_over(row, models.get(row.id, Model(row.id)), as_of)
    lost = [row for row in rows.values() if row.alias_of is not None and row.alias_of not in models]
    for row in lost:
        del models[row.id]
    notes = (
        f'models."{row.id}": left out, because "{row.alias_of}" that it is an alias of is in no list' for row in lost
    )
    return Assembled(models, tuple(notes))


def _over(upper: Model, lower: Model) -> Model:
    endpoints = {endpoint.provider: endpoint for endpoint in lower.endpoints}
    for endpoint in upper.endpoints:
        below = endpoints.get(endpoint.provider)
        endpoints[endpoint.provider] = endpoint if below is None else _filled(endpoint, below)
    return replace(lower, endpoints=tuple(endpoints.values()))


def _filled(upper: Endpoint, lower: Endpoint) -> Endpoint:
    """The upper row, with what it leaves open taken from the lower one."""
    open_fields = ("price", "context_length", "output_tokens_max", "first_token_ms", "output_tokens_per_s")
    taken = {
        name: getattr(lower, name)
        for name in open_fields
        if getattr(upper, name) is None and getattr(lower, name) is not None
    }
    if "price" in taken:
        taken["is_free"] = lower.is_free
    if not upper.abilities_known and lower.abilities_known:
        taken |= {"abilities": lower.abilities, "abilities_known": True}
    if taken and lower.source != upper.source:
        taken["source"] = f"{upper.source} and {lower.source}"
    return replace(upper, **taken, is_model_author=upper.is_model_author or lower.is_model_author)


def _row_over(row: ModelRow, below: Model, as_of: str) -> Model:
    if row.alias_of is not None:
        return Model(row.id, alias_of=row.alias_of)
    if row.retired is not None:
        return Model(row.id, retired=row.retired, created=below.created)
    synced = {endpoint.provider: endpoint for endpoint in below.endpoints}
    ours = {slug: _endpoint(row.id, slug, given, synced.get(slug), as_of) for slug, given in row.endpoints.items()}
    endpoints = tuple((ours | {slug: each for slug, each in synced.items() if slug not in ours}).values())
    modalities = below.input_modalities
    if not below.endpoints and any(Need.IMAGES in each.abilities for each in endpoints):
        modalities = ("text", "image")
    return replace(below, endpoints=endpoints, deadlines=row.deadlines, input_modalities=modalities)


def _endpoint(model: str, slug: str, given: dict[str, Any], below: Endpoint | None, as_of: str) -> Endpoint:
    base = below or Endpoint(model, slug, model)
    changes = {name: value for name, value in given.items() if name not in PRICE_KEYS}
    if "abilities" in given:
        changes |= {"abilities": _need(given["abilities"]), "abilities_known": True}
    if given.get("is_free"):
        changes["price"] = dated_price(Price(0, 0), as_of)
    elif not PRICE_KEYS.isdisjoint(given):
        changes |= {"price": _price(given, base.price, as_of), "is_free": False}
    return replace(base, **changes, source=SETTINGS_SOURCE, as_of=as_of)


def _price(given: dict[str, Any], below: Price | None, as_of: str) -> Price | None:
    """Tokens' prices come from one place: a row that prices input and output takes nothing from below."""
    if "input_usd_per_million" in given:
        base = Price(given["input_usd_per_million"], given["output_usd_per_million"])
    elif below is None:
        return None
    else:
        base = below
    return dated_price(
        base._replace(
            cached_input=given.get("cached_input_usd_per_million", base.cached_input),
            reasoning=given.get("reasoning_usd_per_million", base.reasoning),
            request=given.get("usd_per_request", base.request),
            version="",
        ),
        as_of,
    )


def _need(abilities: tuple[str, ...]) -> Need:
    need = Need.NOTHING
    for ability in abilities:
        need |= ABILITIES[ability]
    return need
