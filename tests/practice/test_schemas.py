"""Values made from schemas are valid by an independent validator."""

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.practice.schemas import proper_names, value_for

PROMPT = "Book a table for 4 in Paris and London on Friday"


def leaves():
    small = st.integers(-50, 50)
    return st.one_of(
        st.just({"type": "boolean"}),
        st.just({"type": "null"}),
        st.just({}),
        st.just({"enum": ["red", "green", 3, None]}),
        st.just({"const": {"a": 1}}),
        st.builds(
            lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
            st.integers(0, 40),
            st.integers(0, 9),
        ),
        st.sampled_from(["date", "date-time", "email", "uuid", "uri", "ipv4", "ipv6", "time"]).map(
            lambda name: {"type": "string", "format": name}
        ),
        st.sampled_from([r"^[A-Z]{3}-\d{2,4}$", r"^(cat|dog)s?$", r"[^0-9]x+", r"^\w+@\w+\.[a-z]{2,3}$"]).map(
            lambda text: {"type": "string", "pattern": text}
        ),
        st.builds(
            lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, small, st.integers(0, 9)
        ),
        st.builds(
            lambda low, more: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + more},
            small,
            st.integers(1, 9),
        ),
        st.builds(lambda step: {"type": "integer", "multipleOf": step, "minimum": 1}, st.integers(1, 9)),
        st.builds(lambda high: {"type": ["null", "number"], "exclusiveMaximum": high}, small),
    )


def branches(inner):
    names = st.sampled_from(["name", "city", "age", "query", "tags"])
    return st.one_of(
        st.dictionaries(names, inner, max_size=4).flatmap(
            lambda properties: st.builds(
                lambda required, closed: {
                    "type": "object",
                    "properties": properties,
                    "required": required,
                    "additionalProperties": not closed,
                },
                st.lists(st.sampled_from(sorted(properties)), unique=True) if properties else st.just([]),
                st.booleans(),
            )
        ),
        st.builds(
            lambda items, low, more: {"type": "array", "items": items, "minItems": low, "maxItems": low + more},
            inner,
            st.integers(0, 3),
            st.integers(0, 2),
        ),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda parts: {"type": "array", "prefixItems": parts, "items": False, "minItems": len(parts)}
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts}),
        inner.map(lambda one: {"$ref": "#/$defs/one", "$defs": {}} if False else {"allOf": [one]}),
    )


@given(st.recursive(leaves(), branches, max_leaves=8))
@settings(max_examples=150, deadline=None)
def test_every_value_is_valid_by_its_schema(schema):
    value = value_for(schema, PROMPT)
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(value)


@pytest.mark.parametrize(
    "schema",
    [
        {
            "$ref": "#/$defs/node",
            "$defs": {
                "node": {
                    "type": "object",
                    "properties": {
                        "value": {"type": "integer"},
                        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    },
                    "required": ["value", "next"],
                    "additionalProperties": False,
                }
            },
        },
        {
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#"}}},
            "required": ["children"],
        },
        {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 3},
        {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "required": ["c"], "maxProperties": 1},
        {
            "oneOf": [
                {"type": "null"},
                {
                    "type": "object",
                    "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}},
                    "required": ["kind", "r"],
                },
            ]
        },
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
            ]
        },
        {"type": "string", "minLength": 300},
        {"type": "number", "multipleOf": 0.25, "exclusiveMinimum": 3},
        {"type": "integer", "exclusiveMinimum": 0, "multipleOf": 0.5},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 4},
        {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 9}, "uniqueItems": True, "minItems": 5},
        {"items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 3},
        {"properties": {"x": {"type": "integer"}}},
        True,
    ],
)
def test_awkward_schemas_get_valid_values(schema):
    jsonschema_rs.validator_for(schema).validate(value_for(schema, PROMPT))


def test_what_the_prompt_names_goes_into_the_value():
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "guests": {"type": "integer"},
            "day": {"enum": ["Monday", "Friday"]},
        },
    }
    assert value_for(schema, PROMPT) == {"city": "Paris", "guests": 4, "day": "Friday"}


def test_a_fraction_in_the_prompt_does_not_go_into_an_integer():
    assert value_for({"type": "integer", "minimum": 1}, "about 3.5 of them") == 1
    assert value_for({"type": "number", "minimum": 1}, "about 3.5 of them") == 3.5


def test_a_second_value_for_the_same_prompt_takes_the_second_name():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    assert value_for(schema, PROMPT, 1) == {"city": "London"}


def test_a_word_at_the_start_of_a_sentence_is_no_name():
    assert proper_names("Please go to New York, then Rome. Then home.") == ["New York", "Rome"]


@pytest.mark.parametrize(
    "pattern", ["(" * 5000, "(((a{999}){999}){999})", "a{99999999}", "[", "(?=x)", "*", "[z-a]", r"\p{L}", "a{2", ")"]
)
def test_a_hostile_pattern_costs_nothing_and_still_gives_text(pattern):
    assert isinstance(value_for({"type": "string", "pattern": pattern}, "hello"), str)
