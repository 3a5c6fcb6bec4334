"""GET /v1/models and /v1/models/{publisher}/{name}: the catalogue in Hugging Face's shape.

Without a token: the whole catalogue, encoded once for each version of it. With one: what this caller may call, and
for each provider whether it may be called and why not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from starlette.responses import Response

from waypost.domain.callers import Caller
from waypost.domain.chat import Need
from waypost.domain.endpoints import Endpoint, Model, Provider
from waypost.domain.money import NANO_USD_PER_USD, Price
from waypost.domain.plans import Exclusion, Plan
from waypost.domain.problems import Refusal
from waypost.door.cold import Ask, Handler

SLICE: Final = 50
"""Models encoded before everybody else gets a turn."""
KEPT_SECONDS: Final = 30.0
"""Measured figures in the list for everybody are at most this old."""
CALLER_LIST_SECONDS: Final = 2.0
"""A caller's own list is kept at least so long, and at least 20 times as long as it took to make."""
SHARE: Final = 20
LISTS_MAX: Final = 64
CALLERS_OWN: Final = frozenset({
    "disabled_by_user", "not_preferred", "model_not_allowed", "provider_not_allowed", "disabled_by_organisation",
    "not_preferred_by_organisation", "model_not_allowed_by_organisation", "model_disabled_by_organisation",
    "provider_not_allowed_by_organisation",
})  # fmt: skip
"""Reasons that say something of the caller or who pays and nothing of the endpoint: it is still `live`."""
MODEL_CHARS_SHOWN: Final = 200

_encode = msgspec.json.Encoder().encode

Standing = list[tuple[Endpoint, Exclusion | None]]
"""A model's endpoints in a caller's order, each with the reason it is out, None where it may be called."""


class Catalogue(Protocol):
    """Every endpoint there is."""

    models: dict[str, Model]
    providers: dict[str, Provider]
    version: str

    def find(self, model_id: str) -> Model | None: ...
    def nearest(self, model_id: str) -> list[str]: ...


class Planner(Protocol):
    """Who could serve this caller?"""

    def survey(self, model: Model, caller: Caller) -> Plan:
        """What a plain short request to this model would meet."""
        ...


class Measured(Protocol):
    """What was seen of an endpoint lately."""

    @property
    def first_word_ms(self) -> float | None: ...
    @property
    def tokens_per_s(self) -> float | None: ...


def standing(planner: Planner, model: Model, caller: Caller) -> Standing:
    """The model's endpoints as this caller would meet them, in the order that `preferred` keeps to."""
    out = {exclusion.provider: exclusion for exclusion in planner.survey(model, caller).excluded}
    terms = None if caller.payer is None else caller.payer.terms
    then = () if terms is None else terms.preferences.order
    wanted = tuple(dict.fromkeys((*caller.user.preferences.order, *then)))
    places = {slug: place for place, slug in enumerate(wanted)}
    ordered = (
        sorted(model.endpoints, key=lambda one: places.get(one.provider, len(wanted))) if wanted else model.endpoints
    )
    return [(endpoint, out.get(endpoint.provider)) for endpoint in ordered]


class _Kept(NamedTuple):
    """An encoded list, what it was made from, and until when it may be given again."""

    catalogue: Catalogue
    caller_version: int
    until: float
    body: bytes
    etag: str


class Models:
    """Answers for the catalogue's routes.

    `catalogue` and `planner` give those in force now; `measured` is asked for an endpoint's key; `clock` counts
    seconds.
    """

    def __init__(
        self,
        catalogue: Callable[[], Catalogue],
        planner: Callable[[], Planner],
        clock: Callable[[], float],
        measured: Callable[[tuple[str, str]], Measured | None] = lambda _: None,
    ) -> None:
        self._catalogue = catalogue
        self._planner = planner
        self._clock = clock
        self._measured = measured
        self._lists: dict[int | None, _Kept] = {}
        self._one_at_a_time = asyncio.Lock()

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {"list_models": self.list_models, "get_model": self.get_model}

    async def list_models(self, ask: Ask) -> Response:
        """The list, kept for a while: for everybody without a token one, for each token its own."""
        caller = ask.caller
        kept = self._kept(caller)
        if kept is None:
            async with self._one_at_a_time:
                kept = self._kept(caller) or await self._make(caller)
        return _cacheable(ask, kept.body, kept.etag)

    async def get_model(self, ask: Ask) -> Response:
        """One model, with every provider that has it, callable or not."""
        asked = ask.hole("model")
        catalogue = self._catalogue()
        model = catalogue.find(asked.partition(":")[0])
        if model is None:
            raise unknown_model(asked, catalogue)
        if ask.caller is None:
            entry = self._open_entry(catalogue, model)
        else:
            entry = self._caller_entry(model, standing(self._planner(), model, ask.caller))
        body = _encode(entry)
        return _cacheable(ask, body, _etag(body))

    def _kept(self, caller: Caller | None) -> _Kept | None:
        kept = self._lists.get(None if caller is None else caller.token.id)
        if kept is None or kept.catalogue is not self._catalogue() or kept.until < self._clock():
            return None
        return kept if caller is None or kept.caller_version == caller.version else None

    async def _make(self, caller: Caller | None) -> _Kept:
        catalogue, began = self._catalogue(), self._clock()
        entries: Iterator[dict[str, Any]]
        if caller is None:
            key, version, seconds = None, 0, KEPT_SECONDS
            entries = (self._open_entry(catalogue, model) for model in listed(catalogue))
        else:
            key, version, seconds = caller.token.id, caller.version, CALLER_LIST_SECONDS
            entries = self._callable_entries(caller, catalogue)
        body = await _list(entries)
        if len(self._lists) >= LISTS_MAX:
            self._lists.clear()
        now = self._clock()
        kept = _Kept(catalogue, version, now + max(seconds, SHARE * (now - began)), body, _etag(body))
        self._lists[key] = kept
        return kept

    def _callable_entries(self, caller: Caller, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
        planner = self._planner()
        for model in listed(catalogue):
            met = standing(planner, model, caller)
            if any(may_call_some_day(out) for _, out in met):
                yield self._caller_entry(model, met)

    def _open_entry(self, catalogue: Catalogue, model: Model) -> dict[str, Any]:
        return _entry(model, [self._provider(one, usable(catalogue, one)) for one in model.endpoints])

    def _caller_entry(self, model: Model, met: Standing) -> dict[str, Any]:
        providers = []
        for endpoint, out in met:
            row = self._provider(endpoint, out is None or out.until is not None or out.reason in CALLERS_OWN)
            row["callable"] = out is None
            if out is not None:
                row["why_not"] = why_not(out)
            providers.append(row)
        return _entry(model, providers)

    def _provider(self, endpoint: Endpoint, usable: bool) -> dict[str, Any]:
        """A provider's row. What is not known is left out: clients refuse null, and 0 where they expect more."""
        row: dict[str, Any] = {
            "provider": endpoint.provider,
            "status": endpoint.status if usable else "error",
            "is_model_author": endpoint.is_model_author,
        }
        if endpoint.context_length:
            row["context_length"] = endpoint.context_length
        if endpoint.price is not None:
            row["pricing"] = usd_per_million(endpoint.price)
        if endpoint.is_free:
            row["is_free"] = True
        if endpoint.abilities_known:
            row["supports_tools"] = Need.TOOLS in endpoint.abilities
            row["supports_structured_output"] = Need.STRUCTURED_OUTPUT in endpoint.abilities
        return row | self._speed(endpoint)

    def _speed(self, endpoint: Endpoint) -> dict[str, float]:
        """Measured here, else what the catalogue says."""
        seen = self._measured(endpoint.key)
        first_word_ms = (seen and seen.first_word_ms) or endpoint.first_token_ms
        tokens_per_s = (seen and seen.tokens_per_s) or endpoint.output_tokens_per_s
        speed = {}
        if first_word_ms is not None:
            speed["first_token_latency_ms"] = round(first_word_ms, 1)
        if tokens_per_s is not None:
            speed["throughput"] = round(tokens_per_s, 1)
        return speed


def why_not(out: Exclusion) -> dict[str, str]:
    """The reason an endpoint may not be called, for people and for machines."""
    shown = {"reason": out.reason, "why": out.why, "until": out.until, "fix": out.fix}
    return {name: text for name, text in shown.items() if text}


def usd_per_million(price: Price) -> dict[str, float]:
    """A price as Hugging Face writes it: USD for a million tokens."""
    return {"input": price.input / NANO_USD_PER_USD, "output": price.output / NANO_USD_PER_USD}


def pipeline_tag(model: Model) -> str:
    """The Hub's word for what a model does."""
    return "image-text-to-text" if "image" in model.input_modalities else "text-generation"


def _entry(model: Model, providers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.id.partition("/")[0],
        "architecture": {"input_modalities": model.input_modalities, "output_modalities": model.output_modalities},
        "providers": providers,
    }


def listed(catalogue: Catalogue) -> Iterator[Model]:
    """Every model that somebody runs, under its own name."""
    return (model for model in catalogue.models.values() if model.endpoints and not model.retired)


def usable(catalogue: Catalogue, endpoint: Endpoint) -> bool:
    provider = catalogue.providers[endpoint.provider]
    return provider.usable and not provider.disabled


def may_call_some_day(out: Exclusion | None) -> bool:
    """It may be called, now or after a while."""
    return out is None or out.until is not None


async def _list(entries: Iterator[dict[str, Any]]) -> bytes:
    """The list's JSON, made in slices, so that a large catalogue holds nobody up."""
    pieces = []
    while slice_ := list(islice(entries, SLICE)):
        pieces.append(_encode(slice_)[1:-1])
        await asyncio.sleep(0)
    return b'{"object":"list","data":[' + b",".join(pieces) + b"]}"


def _etag(body: bytes) -> str:
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


def _cacheable(ask: Ask, body: bytes, etag: str) -> Response:
    """The body, or 304 where the caller has it already."""
    headers = {"etag": etag, "cache-control": "no-cache", "vary": "Authorization"}
    known = ask.http.headers.get("if-none-match", "")
    if known == "*" or etag in (one.strip().removeprefix("W/") for one in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def unknown_model(asked: str, catalogue: Catalogue) -> Refusal:
    near = catalogue.nearest(asked)
    return Refusal(
        "model_not_found",
        f"There is no model {asked[:MODEL_CHARS_SHOWN]!r}.",
        why="the catalogue does not list it",
        fix=f"Did you mean {', '.join(near)}?" if near else "GET /v1/models lists every model.",
        param="model",
        status=404,
        extra={"model": asked[:MODEL_CHARS_SHOWN], "nearest": near},
    )
