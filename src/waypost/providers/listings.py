"""Lists of models as they are published, read into sheets. Pure: what was fetched in, what we know out.

Two kinds: a router's list (Hugging Face's, or another Waypost's), which names the providers of every model, and a
provider's own, which speaks of itself. Odd items are left out and counted, never fatal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from waypost.domain.chat import Need
from waypost.domain.endpoints import Endpoint, Model, Sheet
from waypost.domain.kinds import MODEL_ID, SLUG, TEXT
from waypost.providers.known import KNOWN_BY_SLUG
from waypost.providers.listed import (
    OUTPUT_MODALITY_WORDS,
    abilities_of,
    context_of,
    is_chat,
    modalities_of,
    output_max_of,
    price_of,
    rate_of,
)

NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9._-]+")
TEXT_ALONE: Final = ("text",)
STATUSES: Final = ("live", "staging", "error")
CHAT_TASK: Final = "conversational"


class Origin(NamedTuple):
    """What a sheet says about itself."""

    name: str
    source: str
    as_of: str


class NoList(ValueError):
    """The document is no list of models."""


def items_of(document: object) -> list[Any]:
    """The items of a list, whichever way it is wrapped. Raises NoList."""
    if isinstance(document, Mapping):
        document = document.get("data", document.get("models"))
    if not isinstance(document, list):
        raise NoList("it is no list of models: neither a list nor an object with `data`")
    return document


def providers_named(document: object) -> tuple[str, ...]:
    """The slugs in a router's list, each once. Raises NoList."""
    items = [item for item in items_of(document) if isinstance(item, Mapping)]
    slugs = (entry.get("provider") for item in items for entry in _entries(item))
    return tuple(dict.fromkeys(slug for slug in slugs if isinstance(slug, str) and SLUG.match(slug)))


def hub_ids(document: object) -> dict[str, str]:
    """Hub id → id at the provider, from `/api/partners/{provider}/models`: `{task: {hub id: {"providerId": …}}}`."""
    task = document.get(CHAT_TASK) if isinstance(document, Mapping) else None
    if not isinstance(task, Mapping):
        return {}
    return {
        hub_id: entry["providerId"]
        for hub_id, entry in task.items()
        if isinstance(entry, Mapping) and isinstance(entry.get("providerId"), str) and TEXT.match(entry["providerId"])
    }


def router_sheet(document: object, ids: Mapping[str, Mapping[str, str]], origin: Origin) -> Sheet:
    """Hugging Face's `/v1/models`: every model with its providers, and the router itself as one more of them.

    `ids` says how each provider calls a model. Where it says nothing, a provider known to use Hub ids is taken to do
    so here too; of any other the endpoint is left out, for a guessed name would answer 404.
    """
    left_out: Counter[str] = Counter()
    models: dict[str, Model] = {}
    for item in _objects(items_of(document), left_out):
        model_id = item.get("id")
        if not isinstance(model_id, str) or not MODEL_ID.match(model_id):
            left_out["without a usable id"] += 1
            continue
        endpoints = {
            each.provider: each
            for entry in _entries(item)
            if (each := _listed_by_router(item, entry, ids, origin, left_out))
        }
        own = _through_router(item, origin.name, origin)
        endpoints[own.provider] = own
        models.setdefault(model_id, _model(model_id, tuple(endpoints.values()), item))
    return Sheet(*origin, tuple(models.values()), _notes(left_out))


def provider_sheet(document: object, known: Mapping[str, str], origin: Origin) -> Sheet:
    """A provider's own list. `known` says which of our models stands behind its ids, where somebody said so before."""
    left_out: Counter[str] = Counter()
    models: dict[str, Model] = {}
    spelled = {model.casefold(): model for model in known.values()}
    for item in _objects(items_of(document), left_out):
        native = item.get("id", item.get("name"))
        if not isinstance(native, str) or not TEXT.match(native):
            left_out["without a usable id"] += 1
        elif not is_chat(item, native):
            left_out["no chat model"] += 1
        else:
            model_id = known.get(native) or _hub_id(item) or our_id(origin.name, native)
            model_id = spelled.get(model_id.casefold(), model_id)
            if model_id in models:
                left_out["listed twice"] += 1
            models.setdefault(model_id, _model(model_id, (_own_endpoint(model_id, native, item, origin),), item))
    return Sheet(*origin, tuple(models.values()), _notes(left_out))


def our_id(slug: str, native: str) -> str:
    """A model id for what a provider calls by its own name: `publisher/name`, with nothing that looks like a tag."""
    if MODEL_ID.match(native):
        return native
    parts = native.removesuffix(":latest").removesuffix(".gguf").split("/")
    publisher = parts[0] if len(parts) == 2 and parts[0] else slug
    name = _id_part(parts[-1])[:128]
    candidate = f"{_id_part(publisher)}/{name}"
    return candidate if MODEL_ID.match(candidate) else f"{slug}/{name or 'model'}"


def _id_part(text: str) -> str:
    return NOT_IN_IDS.sub("-", text).strip(".-")


def _objects(items: list[Any], left_out: Counter[str]) -> Iterator[Mapping[str, Any]]:
    for item in items:
        if isinstance(item, Mapping):
            yield item
        else:
            left_out["no object"] += 1


def _entries(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = item.get("providers")
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _listed_by_router(
    item: Mapping[str, Any],
    entry: Mapping[str, Any],
    ids: Mapping[str, Mapping[str, str]],
    origin: Origin,
    left_out: Counter[str],
) -> Endpoint | None:
    slug, model_id = entry.get("provider"), item["id"]
    if not isinstance(slug, str) or not SLUG.match(slug):
        left_out["endpoint without a provider"] += 1
        return None
    native = ids.get(slug, {}).get(model_id)
    if native is None and not (slug in KNOWN_BY_SLUG and KNOWN_BY_SLUG[slug].hub_ids):
        left_out[f"endpoint of {slug}, whose own ids are not known"] += 1
        return None
    return _endpoint(model_id, slug, native or model_id, entry, modalities_of(item), origin)


def _through_router(item: Mapping[str, Any], slug: str, origin: Origin) -> Endpoint:
    """The router as an endpoint: it chooses, so only what holds for all of its providers is known."""
    model_id = item["id"]
    endpoints = [
        _endpoint(model_id, slug, model_id, entry, modalities_of(item), origin)
        for entry in _entries(item)
        if entry.get("status", "live") == "live"
    ]
    prices = {each.price for each in endpoints}
    contexts = [each.context_length for each in endpoints if each.context_length is not None]
    granted = Need.NOTHING
    for each in endpoints:
        granted |= each.abilities
    known = bool(endpoints) and all(each.abilities_known for each in endpoints)
    unknown = Endpoint(model_id, slug, model_id)
    return Endpoint(
        model_id,
        slug,
        model_id,
        price=prices.pop() if len(prices) == 1 else None,
        context_length=min(contexts, default=None),
        abilities=granted if known else unknown.abilities,
        abilities_known=known,
        is_free=bool(endpoints) and all(each.is_free for each in endpoints),
        source=origin.source,
        as_of=origin.as_of,
    )


def _own_endpoint(model_id: str, native: str, item: Mapping[str, Any], origin: Origin) -> Endpoint:
    if isinstance(item.get("providers"), list):
        return _through_router({**item, "id": model_id}, origin.name, origin)
    return _endpoint(model_id, origin.name, native, item, modalities_of(item), origin)


def _endpoint(
    model_id: str, slug: str, native: str, facts: Mapping[str, Any], modalities: tuple[str, ...], origin: Origin
) -> Endpoint:
    abilities = abilities_of(facts, modalities)
    status = facts.get("status")
    return Endpoint(
        model_id,
        slug,
        native,
        price=price_of(facts, origin.as_of),
        context_length=context_of(facts),
        output_tokens_max=output_max_of(facts),
        abilities=abilities.granted,
        abilities_known=abilities.known,
        first_token_ms=rate_of(facts, "first_token_latency_ms"),
        output_tokens_per_s=rate_of(facts, "throughput"),
        status=status if status in STATUSES else "live",
        is_free=facts.get("is_free") is True,
        is_model_author=facts.get("is_model_author") is True,
        source=origin.source,
        as_of=origin.as_of,
    )


def _model(model_id: str, endpoints: tuple[Endpoint, ...], item: Mapping[str, Any]) -> Model:
    created = item.get("created")
    return Model(
        model_id,
        endpoints,
        created=created if type(created) is int and created > 0 else 0,
        input_modalities=modalities_of(item) or TEXT_ALONE,
        output_modalities=modalities_of(item, OUTPUT_MODALITY_WORDS) or TEXT_ALONE,
    )


def _hub_id(item: Mapping[str, Any]) -> str | None:
    hub_id = item.get("hugging_face_id")
    return hub_id if isinstance(hub_id, str) and MODEL_ID.match(hub_id) else None


def _notes(left_out: Counter[str]) -> tuple[str, ...]:
    return tuple(f"{count} left out: {what}" for what, count in left_out.items())
