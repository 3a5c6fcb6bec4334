"""OpenAPI 3.1, made from the route table, the field tables and the error table: nothing here is written twice."""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
from starlette.responses import Response

from waypost import __version__
from waypost.domain.problems import CODES
from waypost.door.cold import Ask
from waypost.door.requests import LIMIT_DEFAULT, LIMIT_MAX
from waypost.door.routes import ROUTES, Auth, Route
from waypost.door.schemas import COUNT, FLAG, SCHEMAS, TEXT, WHOLE, Schema, named
from waypost.door.schemas_money import MONEY_SCHEMAS
from waypost.store.usage import GROUPS

JSON: Final = "application/json"


class Operation(NamedTuple):
    """What the route table does not say of an operation."""

    answer: str | None
    """Schema of the answer."""
    status: int = 200
    body: str | None = None
    """Schema of the body."""
    query: dict[str, Schema] = {}  # noqa: RUF012 (never changed)
    others: dict[int, str] = {}  # noqa: RUF012 (never changed)
    """Further statuses → schemas that are no problems."""
    media: str = JSON


_holes: dict[str, Schema] = {
    "model": {"minLength": 1, "maxLength": 256, "examples": ["practice/parrot"]},
    "provider": {"minLength": 1, "maxLength": 40, "examples": ["practice-swift"]},
}
"""What is known of the values in paths."""
_limit = WHOLE | {"minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
_time = TEXT | {"description": 'ISO time such as "2026-11-20T08:00:00Z", or Unix seconds.'}
_expand = TEXT | {"description": "`inferenceProviderMapping`, `pipeline_tag`, …; also as `expand[]`."}
_requests_query: dict[str, Schema] = {
    **dict.fromkeys(("caller", "token", "model", "provider", "code", "policy", "session"), TEXT),
    "outcome": {"enum": ["delivered", "refused", "failed", "left"]},
    "status": WHOLE | {"minimum": 0, "maximum": 999},
    "since": _time,
    "until": _time,
    "before": TEXT | {"description": "`next` of the page before."},
    "limit": _limit,
    "strangers": FLAG | {"description": "Operators: the refused unknown callers instead."},
}
_hub_query: dict[str, Schema] = {
    **dict.fromkeys(("inference_provider", "pipeline_tag", "search", "author", "filter"), TEXT),
    "inference": {"enum": ["warm"]},
    "limit": WHOLE | {"minimum": 1, "maximum": 1_000_000},
    "cursor": COUNT | {"maximum": 1_000_000_000},
    "expand": _expand,
}
_period_query: dict[str, Schema] = {
    "startDate": _time | {"description": "ISO time or Unix seconds; without it, the beginning of this UTC month."},
    "endDate": _time | {"description": "Not included; without it, the end of this month."},
    "format": {"enum": ["json", "csv"]},
}
_usage_query: dict[str, Schema] = {
    **_period_query,
    "by": TEXT | {"description": f"Some of {', '.join(GROUPS)}, with commas between; or `request` for every call."},
}
_transfers_query: dict[str, Schema] = {
    "before": WHOLE | {"minimum": 1, "description": "`next` of the page before."},
    "limit": _limit,
}

_idempotency_key: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": TEXT | {"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Sent twice with the same key and body, a call is made and charged once, and answered with the same"
    " bytes for 24 hours (`idempotency-replayed: true`).",
}

OPERATIONS: Final[dict[str, Operation]] = {
    "chat": Operation("ChatCompletion", body="ChatRequest"),
    "chat_pinned": Operation("ChatCompletion", body="ChatRequest"),
    "explain": Operation("Explained", body="ChatRequest"),
    "list_models": Operation("ModelList"),
    "get_model": Operation("Model"),
    "list_requests": Operation("RequestList", query=_requests_query),
    "get_request": Operation("Waybill"),
    "whoami": Operation("WhoAmI"),
    "hub_models": Operation("HubModelList", query=_hub_query),
    "hub_model": Operation("HubModel", query={"expand": _expand}),
    "hub_tasks": Operation("HubTasks"),
    "get_preferences": Operation("Preferences"),
    "put_preferences": Operation("Preferences", body="PreferencesChange"),
    "get_organisation_preferences": Operation("OrganisationPreferences"),
    "put_organisation_preferences": Operation("OrganisationPreferences", body="OrganisationPreferencesChange"),
    "list_tokens": Operation("TokenList"),
    "create_token": Operation("Token", 201, body="NewToken"),
    "revoke_token": Operation("Token"),
    **{
        f"{verb}_{whose}provider_key{many}": operation
        for whose in ("", "organisation_")
        for verb, many, operation in (
            ("list", "s", Operation("ProviderKeyList")),
            ("get", "", Operation("ProviderKey")),
            ("put", "", Operation("ProviderKey", body="NewProviderKey")),
            ("remove", "", Operation("RemovedProviderKey")),
        )
    },
    "usage": Operation("Usage", query=_usage_query),
    "usage_by_session": Operation("UsageBySession", query=_period_query),
    "credits": Operation("Credits", query=_transfers_query),
    "list_organisations": Operation("OrganisationList", query={"all": FLAG | {"description": "Operators: every one."}}),
    "create_organisation": Operation("Organisation", 201, body="NewOrganisation"),
    "get_organisation": Operation("Organisation"),
    "change_organisation": Operation("Organisation", body="OrganisationChange"),
    "put_member": Operation("Member", body="MemberChange"),
    "remove_member": Operation("Member"),
    "organisation_usage": Operation("Usage", query=_usage_query),
    "organisation_usage_by_session": Operation("UsageBySession", query=_period_query),
    "organisation_credits": Operation("Credits", query=_transfers_query),
    "give_organisation_credits": Operation("Movement", 201, body="NewCredits", others={200: "Movement"}),
    "give_user_credits": Operation("Movement", 201, body="NewCredits", others={200: "Movement"}),
    "top_up": Operation("Movement", 201, body="Payment", others={200: "Movement"}),
    "live": Operation("Live"),
    "ready": Operation("Ready", others={503: "Ready"}),
    "metrics": Operation(None, media="text/plain"),
    "openapi": Operation(None),
}
"""By route name; a route without a row here fails a test."""

_LIMITS = {"body_too_large", "headers_too_large", "uri_too_long", "bad_request", "method_not_allowed", "overloaded"}
_AUTH = {code for code in CODES if code.startswith("token_")}
_MONEY = {"credits_exhausted", "spending_limit_reached", "organisation_unknown", "not_a_member", "organisation_forbids"}


def codes_of(route: Route) -> set[str]:
    """Every code a route may answer with."""
    operation = OPERATIONS[route.name]
    codes = {"internal_error", *_LIMITS}
    if route.auth in {Auth.TOKEN, Auth.OPTIONAL}:
        codes |= _AUTH
    if route.auth is Auth.SIGNATURE:
        codes |= {"signature_invalid"}
    if route.scope is not None:
        codes |= {"scope_missing", "operator_only"}
    if route.access.role is not None:
        codes |= {"organisation_forbids"}
    if operation.body is not None or operation.query:
        codes |= {"invalid_request", "draining", "request_timeout", "length_required"}
    if "{" in route.template:
        codes |= {"not_found", "request_not_found", "model_not_found"}
    if route.whole_body and route.hot:
        codes |= set(CODES) - {"request_not_found"}
    return codes | (_MONEY if route.name == "put_preferences" else set())


@cache
def document() -> bytes:
    """The whole document, as the bytes that are served and written to `docs/reference/openapi.json`."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        path = re.sub(r"\{(\w+):path\}", r"{\1}", route.template)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "openapi": "3.1.0",
                "info": {
                    "title": "Waypost",
                    "version": __version__,
                    "summary": "A self-hosted inference router that explains itself.",
                    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                },
                "servers": [{"url": "/"}],
                "paths": paths,
                "components": {
                    "schemas": SCHEMAS | MONEY_SCHEMAS,
                    "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
                },
            }
        ),
        indent=1,
    )


async def openapi(_: Ask) -> Response:
    """Answers for the route."""
    return Response(document(), media_type=JSON)


def _operation(route: Route) -> dict[str, Any]:
    operation = OPERATIONS[route.name]
    shown: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "security": _security(route),
        "parameters": _parameters(route, operation),
        "responses": _responses(route, operation),
    }
    if route.scope is not None:
        shown["description"] = f"The token needs `{route.scope}`."
    if operation.body is not None:
        shown["requestBody"] = {"required": True, "content": {JSON: {"schema": named(operation.body)}}}
    return shown


def _security(route: Route) -> list[dict[str, list[str]]]:
    if route.auth in {Auth.NONE, Auth.SIGNATURE}:
        return []
    return [{"token": []}] if route.auth is Auth.TOKEN else [{}, {"token": []}]


def _parameters(route: Route, operation: Operation) -> list[dict[str, Any]]:
    holes = [
        {"name": name, "in": "path", "required": True, "schema": TEXT | _holes.get(name, {"minLength": 1})}
        for name in re.findall(r"\{(\w+)(?::path)?\}", route.template)
    ]
    query = [{"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()]
    return holes + query + ([_idempotency_key] if route.hot and route.whole_body else [])


def _responses(route: Route, operation: Operation) -> dict[str, Any]:
    responses = {str(operation.status): _answer(operation)}
    if operation.answer == "ChatCompletion":
        responses["200"]["content"]["text/event-stream"] = {"schema": TEXT}
    for status, schema in operation.others.items():
        responses[str(status)] = _content("Not now", schema)
    problem = "HubProblem" if route.hub else "Problem"
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes_of(route)):
        by_status.setdefault(CODES[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        words = f"{HTTPStatus(status).phrase}: " + ", ".join(f"`{code}`" for code in codes)
        responses.setdefault(str(status), _content(words, problem))
    return responses | {"default": _content("Any other refusal", problem)}


def _answer(operation: Operation) -> dict[str, Any]:
    if operation.answer is not None:
        return _content("The answer", operation.answer)
    schema: Schema = TEXT if operation.media != JSON else {"type": "object"}
    return {"description": "The answer", "content": {operation.media: {"schema": schema}}}


def _content(words: str, schema: str) -> dict[str, Any]:
    return {"description": words, "content": {JSON: {"schema": named(schema)}}}
