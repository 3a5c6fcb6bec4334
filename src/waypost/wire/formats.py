"""A JSON schema for the answer, in the shape that a provider wants. Pure.

Callers send `response_format` as OpenAI's `json_schema` or as Hugging Face's `{type, value}`; providers want one of
`domain.endpoints.SCHEMA_SHAPES`. What already has the right shape, or holds no schema, passes as it came.
"""

from __future__ import annotations

from typing import Any

import msgspec

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
JSON_OBJECT = msgspec.Raw(b'{"type":"json_object"}')
SCHEMA_NAME = msgspec.Raw(b'"answer"')


def reshaped(given: Any, shape: str) -> Any:
    """`response_format` as raw JSON, in the shape of this name."""
    try:
        fields = _decode(given)
        kind = bytes(fields.get("type", b'"text"')).strip(b'"')
        schema, described = _schema(kind, fields)
    except msgspec.DecodeError:
        return given  # no shape that we know: the provider says what is wrong with it
    if schema is None:
        return JSON_OBJECT if kind == b"json" else given
    if shape == "openai":
        return given if described is not None else _openai(schema)
    if shape == "flat":
        return _raw({"type": "json_schema", "schema": schema})
    return _raw({"type": "json_object", ("schema" if shape == "object" else "value"): schema})


def _schema(kind: bytes, fields: dict[str, msgspec.Raw]) -> tuple[msgspec.Raw | None, dict[str, msgspec.Raw] | None]:
    """The schema, and OpenAI's description of it where there is one."""
    if kind == b"json_schema" and "json_schema" in fields:
        described = _decode(fields["json_schema"])
        return described.get("schema"), described
    if kind in (b"json_schema", b"json_object", b"json"):
        return fields.get("value", fields.get("schema")), None
    return None, None


def _openai(schema: msgspec.Raw) -> msgspec.Raw:
    return _raw({"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, "schema": schema}})


def _raw(value: dict[str, Any]) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))
