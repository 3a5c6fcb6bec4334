"""A schema reaches each provider in the shape it wants."""

import json

import msgspec
import pytest

from waypost.domain.endpoints import SCHEMA_SHAPES
from waypost.wire.formats import reshaped

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
OPENAI = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
GRAMMAR = {"type": "json_object", "value": SCHEMA}
FLAT = {"type": "json_schema", "schema": SCHEMA}


def turned(given: dict, shape: str) -> dict:
    return json.loads(bytes(reshaped(msgspec.Raw(json.dumps(given).encode()), shape)))


@pytest.mark.parametrize("given", [OPENAI, GRAMMAR, FLAT])
@pytest.mark.parametrize("shape", SCHEMA_SHAPES)
def test_every_shape_of_caller_meets_every_shape_of_provider(given: dict, shape: str) -> None:
    sent = turned(given, shape)
    found = {
        "openai": lambda: sent["json_schema"]["schema"],
        "flat": lambda: sent["schema"],
        "object": lambda: sent["schema"],
        "grammar": lambda: sent["value"],
    }[shape]()
    assert found == SCHEMA
    assert sent["type"] == ("json_schema" if shape in ("openai", "flat") else "json_object")


def test_openais_own_shape_passes_as_it_came() -> None:
    assert turned(OPENAI, "openai") == OPENAI


@pytest.mark.parametrize("given", [{"type": "text"}, {"type": "json_object"}, {"type": "regex", "value": "a+"}])
@pytest.mark.parametrize("shape", SCHEMA_SHAPES)
def test_what_holds_no_schema_passes_as_it_came(given: dict, shape: str) -> None:
    assert turned(given, shape) == given


def test_the_short_word_json_is_the_long_one() -> None:
    assert turned({"type": "json"}, "openai") == {"type": "json_object"}
