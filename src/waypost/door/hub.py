"""What Hugging Face's own clients ask of the Hub: who am I, which providers have this model, which models are there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Protocol

from starlette.responses import Response

from waypost.domain.callers import Caller, Token
from waypost.domain.endpoints import Endpoint, Model
from waypost.domain.ledger import period_of, period_range
from waypost.domain.payers import Member, Organisation, at_least
from waypost.domain.problems import Refusal
from waypost.door.cold import Ask, Handler, json_response
from waypost.door.forms import Query, iso
from waypost.door.models import Catalogue, Planner, listed, may_call_some_day, pipeline_tag, standing, usable

LIMIT_DEFAULT: Final = 1_000
LIMIT_MAX: Final = 1_000
SLICE: Final = 50
"""Models looked at before everybody else gets a turn."""
TASK: Final = "conversational"
LIST_PARAMETERS: Final = (
    "inference_provider", "inference", "pipeline_tag", "search", "author", "filter", "limit", "cursor", "expand",
    "expand[]", "sort", "direction", "full", "config", "cardData",
)  # fmt: skip

Found = tuple[Model, list[Endpoint]]
"""A model, and the endpoints a client may be told of."""


class Memberships(Protocol):
    """Organisations and who is in them, from memory."""

    def find(self, name: str) -> Organisation | None: ...
    def of_user(self, user_id: int) -> list[tuple[Organisation, Member]]: ...


class Purses(NamedTuple):
    """Who is in which organisation, and what is free on whose account."""

    memberships: Memberships
    free: Callable[[int, list[Organisation]], Awaitable[dict[str, int]]]


class Hub:
    """Answers for the Hub's routes. `catalogue` and `planner` give those in force now."""

    def __init__(self, catalogue: Callable[[], Catalogue], planner: Callable[[], Planner], purses: Purses) -> None:
        self._catalogue = catalogue
        self._planner = planner
        self._purses = purses

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {
            "whoami": self.whoami,
            "hub_models": self.hub_models,
            "hub_model": self.hub_model,
            "hub_tasks": self.hub_tasks,
        }

    async def whoami(self, ask: Ask) -> Response:
        """Who the token belongs to, and who can pay for its calls."""
        caller = ask.user
        own = self._purses.memberships.of_user(caller.user.id)
        free = await self._purses.free(caller.user.id, [organisation for organisation, _ in own])
        orgs = [_org(organisation, member, free[f"org:{organisation.id}"]) for organisation, member in own]
        can_pay = free[f"user:{caller.user.id}"] > 0
        scoped = _scoped(caller.token, self._purses.memberships)
        return json_response({**_identity(caller, can_pay=can_pay), "orgs": orgs, "auth": _auth(caller.token, scoped)})

    async def hub_models(self, ask: Ask) -> Response:
        """Models that match every filter, a page at a time."""
        query = Query(ask.http, LIST_PARAMETERS, strict=False)
        limit = query.whole("limit", 1, 1_000_000, LIMIT_DEFAULT)
        start = query.whole("cursor", 0, 1_000_000_000, 0)
        size = min(limit, LIMIT_MAX)
        expand = _expand(query)
        page = await self._page(self._matching(query, ask.caller), start, size)
        shown = [_listed_model(model, met, expand) for model, met in page[:size]]
        if len(page) <= size:
            return json_response(shown)
        here = ask.http.url.include_query_params(cursor=start + size)
        return json_response(shown, headers={"link": f'<{_absolute(ask, here.path, here.query)}>; rel="next"'})

    async def hub_model(self, ask: Ask) -> Response:
        """One model; the Hub's `…/revision/{revision}` is the same to us."""
        query = Query(ask.http, ("expand", "expand[]"), strict=False)
        model_id = ask.hole("model").partition("/revision/")[0]
        model = self._catalogue().find(model_id)
        if model is None:
            raise _repository_not_found(model_id, self._catalogue().nearest(model_id))
        met = list(self._met(model, ask.caller))
        fields = _fields(model, met)
        fields["inferenceProviderMapping"] = {one.provider: _mapping(one) for one in met}
        return json_response(_identified(model, fields, _expand(query)))

    async def hub_tasks(self, ask: Ask) -> Response:
        """Models by task: what clients take when nobody names a model."""
        catalogue = self._catalogue()
        tasks: dict[str, list[str]] = {TASK: [], "text-generation": [], "image-text-to-text": []}
        for model in listed(catalogue):
            if any(usable(catalogue, endpoint) for endpoint in model.endpoints):
                tasks[pipeline_tag(model)].append(model.id)
                tasks[TASK].append(model.id)
        return json_response(
            {
                task: {"id": task, "models": [{"id": one} for one in ids[:10]], "widgetModels": ids[:1]}
                for task, ids in tasks.items()
            }
        )

    async def _page(self, found: Iterator[Found | None], start: int, size: int) -> list[Found]:
        """One more than `size`, if there are so many; others get a turn now and then."""
        page: list[Found] = []
        skipped = 0
        for looked_at, one in enumerate(found):
            if looked_at % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            if one is not None and skipped < start:
                skipped += 1
            elif one is not None:
                page.append(one)
                if len(page) > size:
                    break
        return page

    def _matching(self, query: Query, caller: Caller | None) -> Iterator[Found | None]:
        """Every model of the catalogue, None for each that does not match."""
        slugs = set(query.all("inference_provider"))
        tags = set(query.all("pipeline_tag", "filter"))
        search, author = (query.text("search") or "").lower(), query.text("author")
        query.read("inference", {"warm": "warm"}.__getitem__, '"warm"')
        for model in listed(self._catalogue()):
            named = search in model.id.lower() and (author is None or model.id.partition("/")[0] == author)
            met = list(self._met(model, caller)) if named and tags <= set(_tags(model)) else []
            fits = not slugs or "all" in slugs or any(one.provider in slugs for one in met)
            yield (model, met) if met and fits else None

    def _met(self, model: Model, caller: Caller | None) -> Iterable[Endpoint]:
        """The endpoints a client may be told of, in its caller's order."""
        if caller is None:
            catalogue = self._catalogue()
            return [endpoint for endpoint in model.endpoints if usable(catalogue, endpoint)]
        met = standing(self._planner(), model, caller)
        return [endpoint for endpoint, out in met if may_call_some_day(out)]


def _identity(caller: Caller, *, can_pay: bool) -> dict[str, Any]:
    user = caller.user
    return {
        "type": "user",
        "id": _object_id(f"user {user.name}"),
        "name": user.name,
        "fullname": user.fullname or user.name,
        **({"email": user.email} if user.email else {}),
        "emailVerified": bool(user.email),
        "canPay": can_pay,
        "isPro": False,
        "periodEnd": _month_ends(),
        "avatarUrl": "",
        "billingMode": "prepaid",
    }


def _org(organisation: Organisation, member: Member, free: int) -> dict[str, Any]:
    """An organisation the user is in. It can pay where it has credits and the user may use them."""
    return {
        "type": "org",
        "id": _object_id(f"org {organisation.name}"),
        "name": organisation.name,
        "fullname": organisation.fullname or organisation.name,
        "email": None,
        "canPay": free > 0 and at_least(member.role, organisation.rules.billers),
        "periodEnd": _month_ends(),
        "avatarUrl": "",
        "roleInOrg": member.role,
        "isEnterprise": False,
    }


def _month_ends() -> int:
    """Unix seconds at which included credits end and new ones come."""
    return period_range(period_of(int(datetime.now(UTC).timestamp() * 1000)))[1] // 1000


def _auth(token: Token, scoped: list[dict[str, Any]]) -> dict[str, Any]:
    shown: dict[str, Any] = {"displayName": token.name, "role": token.kind, "createdAt": iso(token.created_at)}
    if token.expires_at is not None:
        shown["expiration"] = iso(token.expires_at)
    if token.kind == "fineGrained":
        shown["fineGrained"] = {"canReadGatedRepos": False, "global": sorted(token.permissions), "scoped": scoped}
    return {"type": "access_token", "accessToken": shown}


def _scoped(token: Token, memberships: Memberships) -> list[dict[str, Any]]:
    """Permissions on single entities, each entity with the id that it has in this answer."""
    found = []
    for grant in token.grants:
        organisation = memberships.find(grant.entity_name) if grant.entity_type == "org" else None
        name = grant.entity_name if organisation is None else organisation.name
        entity = {"_id": _object_id(f"{grant.entity_type} {name}"), "type": grant.entity_type, "name": name}
        found.append({"entity": entity, "permissions": sorted(grant.permissions)})
    return found


def _object_id(name: str) -> str:
    """The Hub's ids are 24 hexadecimal digits; ours stand for a name."""
    return blake2b(name.encode(), digest_size=12).hexdigest()


def _expand(query: Query) -> set[str]:
    return set(query.all("expand", "expand[]"))


def _tags(model: Model) -> list[str]:
    return [pipeline_tag(model), TASK]


def _fields(model: Model, met: list[Endpoint]) -> dict[str, Any]:
    """All we can say of a model in the Hub's words."""
    fields: dict[str, Any] = {
        "author": model.id.partition("/")[0],
        "createdAt": iso(model.created * 1000),
        "disabled": False,
        "gated": False,
        "pipeline_tag": pipeline_tag(model),
        "private": False,
        "tags": _tags(model),
    }
    return fields | ({"inference": "warm"} if met else {})


def _identified(model: Model, fields: dict[str, Any], expand: set[str]) -> dict[str, Any]:
    """With `expand`, the Hub answers with the id and exactly what was asked for; without, with all but the mapping."""
    if expand:
        shown = {name: value for name, value in fields.items() if name in expand}
    else:
        shown = {name: value for name, value in fields.items() if name != "inferenceProviderMapping"}
        shown["modelId"] = model.id
    return {"_id": _object_id(model.id), "id": model.id, **shown}


def _listed_model(model: Model, met: list[Endpoint], expand: set[str]) -> dict[str, Any]:
    fields = _fields(model, met)
    fields["inferenceProviderMapping"] = [{"provider": one.provider, **_mapping(one)} for one in met]
    return _identified(model, fields, expand)


def _mapping(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "status": endpoint.status if endpoint.status in {"live", "staging"} else "error",
        "providerId": endpoint.id,
        "task": TASK,
        "isModelAuthor": endpoint.is_model_author,
    }


def _absolute(ask: Ask, path: str, query: str) -> str:
    """Where the next page is, at the address the client used: its clients follow it as it stands."""
    secure = ask.http.headers.get("x-forwarded-proto") == "https"
    return f"{'https' if secure else ask.http.url.scheme}://{ask.http.url.netloc}{path}?{query}"


def _repository_not_found(model_id: str, near: list[str]) -> Refusal:
    return Refusal(
        "not_found",
        "Repository not found",
        why=f"the catalogue lists no model {model_id[:200]!r}",
        fix=f"Did you mean {', '.join(near)}?" if near else "GET /v1/models lists every model.",
        param="model",
        extra={"nearest": near},
        headers=(("X-Error-Code", "RepoNotFound"),),
    )
