"""Field tables of what goes over the wire, as JSON Schema 2020-12. OpenAPI is assembled from them.

A field that only the provider reads says so and has no type here: we pass it on as it came.
"""

from __future__ import annotations

from typing import Any, Final

from waypost.domain.callers import KINDS, SCOPES
from waypost.domain.problems import CODES
from waypost.domain.waybill import Outcome

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
WHOLE: Final[Schema] = {"type": "integer"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
NUMBER: Final[Schema] = {"type": "number"}
TEXTS: Final[Schema] = {"type": "array", "items": TEXT}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
ANYTHING: Final[Schema] = {}


def thing(required: dict[str, Schema], optional: dict[str, Schema] | None = None, **more: Any) -> Schema:
    """An object with fields that are always there, and fields that may be."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required), **more}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def named(name: str) -> Schema:
    """A reference to a schema of this file."""
    return {"$ref": f"#/components/schemas/{name}"}


def listing(item: Schema) -> Schema:
    """OpenAI's envelope of a list."""
    return thing({"object": {"const": "list"}, "data": {"type": "array", "items": item}})


def passed_on(words: str) -> Schema:
    """A field that only the provider reads."""
    return {"description": f"{words} Passed on as it came."}


CHAT_FIELDS: Final[dict[str, Schema]] = {
    "model": {
        "type": "string",
        "minLength": 1,
        "maxLength": 256,
        "description": "`publisher/name`, and perhaps one tag: `:fastest`, `:cheapest`, `:preferred` or `:<provider>`.",
        "examples": ["practice/parrot", "openai/gpt-oss-120b:fastest"],
    },
    "messages": {"type": "array", "minItems": 1, "items": named("Message")},
    "stream": or_null(FLAG | {"description": "Answer as server-sent events."}),
    "stream_options": or_null(thing({}, {"include_usage": or_null(FLAG)})),
    "max_tokens": or_null({"type": "integer", "minimum": 1}),
    "max_completion_tokens": or_null({"type": "integer", "minimum": 1}),
    "n": or_null({"type": "integer", "minimum": 1, "maximum": 128}),
    "tools": or_null({"type": "array", "items": {"type": "object"}}),
    "response_format": or_null(
        thing({}, {"type": TEXT, "json_schema": ANYTHING, "value": ANYTHING})
        | {"description": "OpenAI's shapes, and Hugging Face's `{type, value}`."}
    ),
    "tool_choice": passed_on("Which tool must be called."),
    "parallel_tool_calls": passed_on("Whether several tools may be called at once."),
    "temperature": passed_on("0 to 2."),
    "top_p": passed_on("0 to 1."),
    "frequency_penalty": passed_on("-2 to 2."),
    "presence_penalty": passed_on("-2 to 2."),
    "logit_bias": passed_on("Token id to bias."),
    "logprobs": passed_on("Whether to answer with log probabilities."),
    "top_logprobs": passed_on("0 to 5."),
    "seed": passed_on("For answers that repeat."),
    "stop": passed_on("A text or up to four."),
    "reasoning_effort": passed_on("`none`, `minimal`, `low`, `medium`, `high` or `xhigh`."),
    "tool_prompt": passed_on("Text put before the tools."),
    "store": passed_on("Whether the provider may keep the conversation."),
    "user": passed_on("A name for your own user."),
    "metadata": passed_on("Your own words about the call."),
}
"""Fields of a chat body. Others are passed on too."""

_price = thing({"input": NUMBER, "output": NUMBER}) | {"description": "USD for a million tokens."}
_why_not = thing({"reason": TEXT, "why": TEXT}, {"until": TIME, "fix": TEXT})
_exclusion = thing({"provider": TEXT, "reason": TEXT, "why": TEXT}, {"until": or_null(TIME), "fix": TEXT})
_attempt = thing(
    {"provider": TEXT, "endpoint_model": TEXT, "status": WHOLE, "code": or_null(TEXT), "ms": NUMBER},
    {
        "connect_ms": or_null(NUMBER),
        "first_word_ms": or_null(NUMBER),
        "upstream_request_id": or_null(TEXT),
        "why": TEXT,
    },
)
_waybill_fields: dict[str, Schema] = {
    "id": {"type": "string", "pattern": "^req_[0-9A-HJKMNP-TV-Z]{13}$"},
    "at": TIME,
    "caller": thing({"user": or_null(TEXT), "token": or_null(TEXT)}, {"session_tag": or_null(TEXT)}),
    "payer": or_null(thing({"type": {"enum": ["user", "organisation"]}, "name": TEXT})),
    "model": or_null(TEXT),
    "policy": or_null(TEXT),
    "stream": FLAG,
    "outcome": {"enum": [*map(str, Outcome), "open", "explained"]},
    "status": WHOLE,
    "code": or_null(TEXT),
    "plan": or_null(thing({"order": TEXTS, "excluded": {"type": "array", "items": _exclusion}})),
    "attempts": {"type": "array", "items": _attempt},
    "usage": or_null(
        thing({"input": COUNT, "cached_input": COUNT, "output": COUNT, "reasoning": COUNT, "estimated": FLAG})
    ),
    "hold_nano_usd": COUNT,
    "charge_nano_usd": COUNT,
    "price_version": or_null(TEXT),
    "timing": thing(
        {"gateway_ms": NUMBER, "ms": NUMBER},
        {"first_word_ms": or_null(NUMBER), "output_tokens_per_s": or_null(NUMBER)},
    ),
}
_organisation_preferences_fields: dict[str, Schema] = {
    "order": TEXTS | {"description": "Providers, most wanted first."},
    "disabled": TEXTS,
    "preferred_only": FLAG,
    "price_demanded": FLAG | {"description": "Endpoints without a known price may not serve."},
    "keys_then_credits": FLAG | {"description": "Where a provider fails on an own key, credits may pay another."},
}
_preferences_fields: dict[str, Schema] = {
    "default_policy": TEXT | {"description": "`fastest`, `cheapest`, `preferred` or a provider's slug."},
    **_organisation_preferences_fields,
    "payer": or_null(TEXT | {"description": "The organisation that pays where a call names nobody; null: the user."}),
}
_grant = thing(
    {"entity": thing({"type": {"enum": ["user", "org"]}, "name": TEXT}), "permissions": TEXTS},
)
_limits = thing(
    {},
    {
        name: or_null({"type": "integer", "minimum": 1})
        for name in ("requests_per_minute", "tokens_per_minute", "streams_at_once")
    }
    | {"spending_nano_usd_per_month": or_null(COUNT)},
)
_token_fields: dict[str, Schema] = {
    "id": WHOLE,
    "name": TEXT,
    "kind": {"enum": list(KINDS)},
    "last4": TEXT,
    "created_at": TIME,
    "permissions": TEXTS,
    "scoped": {"type": "array", "items": _grant},
    "limits": _limits,
}

_problem: Final[dict[str, Schema]] = {
    "message": TEXT,
    "type": TEXT,
    "param": or_null(TEXT),
    "code": {"enum": sorted(CODES)},
    "why": TEXT,
    "fix": TEXT,
    "request_id": TEXT,
}

SCHEMAS: Final[dict[str, Schema]] = {
    "Problem": thing(
        {
            "error": thing(_problem),
            "message": TEXT | {"description": "The same text, for clients that look here."},
        },
        description="To Hugging Face's own clients, told by their User-Agent, as HubProblem.",
    ),
    "HubProblem": thing(
        {"error": TEXT | {"description": "The message; the Hub's clients take only a text."}, **_problem}
    ),
    "Message": thing({"role": TEXT}, {"content": ANYTHING, "name": ANYTHING, "tool_calls": ANYTHING}),
    "ChatRequest": thing(
        {name: CHAT_FIELDS[name] for name in ("model", "messages")},
        {name: schema for name, schema in CHAT_FIELDS.items() if name not in {"model", "messages"}},
    ),
    "ChatCompletion": thing(
        {"id": TEXT, "choices": {"type": "array"}, "created": NUMBER, "model": TEXT, "usage": {"type": "object"}}
    ),
    "Provider": thing(
        {"provider": TEXT, "status": {"enum": ["live", "error", "staging"]}, "is_model_author": FLAG},
        {
            "context_length": {"type": "integer", "minimum": 1},
            "pricing": _price,
            "is_free": FLAG,
            "supports_tools": FLAG,
            "supports_structured_output": FLAG,
            "first_token_latency_ms": NUMBER,
            "throughput": NUMBER,
            "callable": FLAG | {"description": "Only with a token."},
            "why_not": _why_not,
        },
    ),
    "Model": thing(
        {
            "id": TEXT,
            "object": {"const": "model"},
            "created": WHOLE,
            "owned_by": TEXT,
            "architecture": thing({"input_modalities": TEXTS, "output_modalities": TEXTS}),
            "providers": {"type": "array", "items": named("Provider")},
        }
    ),
    "ModelList": listing(named("Model")),
    "Waybill": thing(_waybill_fields),
    "Explained": thing(
        {
            **{name: schema for name, schema in _waybill_fields.items() if name not in {"stream", "timing"}},
            "stream": or_null(FLAG),
            "would_succeed": FLAG,
            "refused_by": or_null({"type": "object"}),
            "fix": or_null(TEXT),
        },
        {"predicted_nano_usd": or_null(COUNT)},
    ),
    "RequestList": thing({"object": {"const": "list"}, "data": {"type": "array"}, "has_more": FLAG}, {"next": TEXT}),
    "WhoAmI": thing(
        {
            "type": {"const": "user"},
            "id": TEXT,
            "name": TEXT,
            "fullname": TEXT,
            "orgs": {"type": "array"},
            "auth": thing({"type": TEXT, "accessToken": thing({"displayName": TEXT, "role": {"enum": list(KINDS)}})}),
        }
    ),
    "HubModel": thing(
        {"_id": TEXT, "id": TEXT},
        {"inferenceProviderMapping": {"type": ["object", "array"]}, "pipeline_tag": TEXT, "tags": TEXTS},
    ),
    "HubModelList": {"type": "array", "items": named("HubModel")},
    "HubTasks": {
        "type": "object",
        "additionalProperties": thing({"models": {"type": "array", "items": thing({"id": TEXT})}}),
    },
    "Preferences": thing(_preferences_fields),
    "PreferencesChange": thing({}, _preferences_fields, additionalProperties=False),
    "OrganisationPreferences": thing(_organisation_preferences_fields),
    "OrganisationPreferencesChange": thing({}, _organisation_preferences_fields, additionalProperties=False),
    "Token": thing(
        _token_fields,
        {
            "expires_at": TIME,
            "last_used_at": TIME,
            "revoked_at": TIME,
            "models": TEXTS,
            "providers": TEXTS,
            "secret": TEXT | {"description": "Only in the answer that makes the token."},
        },
    ),
    "TokenList": listing(named("Token")),
    "NewToken": thing(
        {"name": {"type": "string", "minLength": 1, "maxLength": 64}},
        {
            "kind": {"enum": list(KINDS)},
            "permissions": {"type": "array", "items": {"enum": list(SCOPES)}},
            "scoped": {"type": "array", "items": _grant},
            "expires_at": or_null(TIME),
            "models": or_null(TEXTS),
            "providers": or_null(TEXTS),
            "limits": _limits,
        },
        additionalProperties=False,
    ),
    "ProviderKey": thing(
        {
            "provider": TEXT,
            "label": TEXT,
            "last4": TEXT | {"description": "How the key ends; empty for a short one."},
            "base_url": TEXT | {"description": "Where it is sent, and nowhere else."},
            "created_at": TIME,
            "usable": FLAG,
        },
        {"why_not": TEXT},
    ),
    "ProviderKeyList": listing(named("ProviderKey")),
    "NewProviderKey": thing(
        {"key": {"type": "string", "minLength": 8, "maxLength": 4096, "writeOnly": True}},
        {"label": or_null({"type": "string", "maxLength": 64})},
        additionalProperties=False,
    ),
    "RemovedProviderKey": thing({"provider": TEXT, "label": TEXT, "removed": {"const": True}}),
    "Live": thing({"status": {"const": "live"}}),
    "Ready": thing({"status": {"enum": ["ready", "not ready"]}}, {"reasons": TEXTS}),
}
