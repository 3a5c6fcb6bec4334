"""`[models]` as people write it."""

from __future__ import annotations

import pytest

from waypost.domain.endpoints import Deadlines
from waypost.domain.tables import Fault, Place
from waypost.routing.model_rows import DeadlineSettings, ModelRow, read_models

SLUGS = ("alpha", "beta")


def read(tables, general=None) -> tuple[dict[str, ModelRow], list[str]]:
    faults: list[Fault] = []
    rows = read_models(tables, SLUGS, general or DeadlineSettings(), Place("f", "models", faults))
    return rows, [fault.line.removeprefix("f: models.") for fault in faults]


def test_a_row_keeps_only_what_was_given_with_prices_in_nano_usd() -> None:
    rows, faults = read(
        {"acme/one": {"alpha": {"input_usd_per_million": "0.10", "output_usd_per_million": 0.3}, "beta": {}}}
    )
    assert faults == []
    assert rows["acme/one"].endpoints == {
        "alpha": {"input_usd_per_million": 100_000_000, "output_usd_per_million": 300_000_000},
        "beta": {},
    }


def test_deadlines_of_a_model_lie_over_the_general_ones() -> None:
    general = DeadlineSettings(silence_seconds_max=30)
    rows, faults = read({"acme/one": {"deadlines": {"first_word_seconds_max": 7}, "alpha": {}}}, general)
    assert faults == []
    assert rows["acme/one"].deadlines == Deadlines(5.0, 7.0, 30, 600.0)
    assert read({"acme/one": {"alpha": {}}})[0]["acme/one"].deadlines is None


def test_rows_for_practice_providers_are_taken_before_those_are_there() -> None:
    assert read({"acme/one": {"practice-swift": {"id": "x"}}})[1] == []


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        (5, "must hold a table for each model"),
        ({"acme/one": 5}, '"acme/one" must be a table'),
        ({"one": {}}, 'one is no model id: it must be "publisher/name" without a tag'),
        ({"a/b:fastest": {}}, '"a/b:fastest" is no model id: it must be "publisher/name" without a tag'),
        ({"a/b": {"alpah": {}}}, '"a/b".alpah names no provider there is; did you mean "alpha"?'),
        ({"a/b": {"retird": "2026-01-01"}}, '"a/b".retird is no setting of a model; did you mean "retired"?'),
        ({"a/b": {"alpha": 5}}, '"a/b".alpha is no setting of a model; did you mean "alpha"?'),
        ({"a/b": {"retired": 5}}, '"a/b".retired must be a date like "2026-06-01", not 5'),
        ({"a/b": {"deadlines": 5}}, '"a/b".deadlines must be a table, not 5'),
        (
            {"a/b": {"alpha": {"abilities": 5}}},
            '"a/b".alpha.abilities must be a list, each item one of "tools", "structured_output", "images", not 5',
        ),
        (
            {"a/b": {"alpha": {"input_usd_per_million": 1}}},
            '"a/b".alpha needs output_usd_per_million too: half a price is none (write "0" where it costs nothing)',
        ),
        (
            {"a/b": {"alpha": {"is_free": True, "usd_per_request": "0.1"}}},
            '"a/b".alpha is free and has a price: one of them must go',
        ),
        ({"a/b": {"alias_of": "a/c", "alpha": {}}}, '"a/b" is an alias, so nothing else can be said about it here'),
        (
            {"a/b": {"alias_of": "a/c"}, "a/c": {"alias_of": "a/d"}},
            '"a/b" is an alias of "a/c", which is an alias itself; name the model that is meant',
        ),
        (
            {"a/b": {"alias_of": "a/c:fastest"}},
            '"a/b".alias_of must be a model id "publisher/name" without a tag, not "a/c:fastest"',
        ),
    ],
)
def test_each_fault_is_told_in_one_line_and_once(tables, told) -> None:
    assert [line.removeprefix("f: models ") for line in read(tables)[1]] == [told]


def test_an_alias_of_a_model_that_only_a_sheet_knows_is_fine_here() -> None:
    rows, faults = read({"a/b": {"alias_of": "elsewhere/known"}})
    assert faults == []
    assert rows["a/b"].alias_of == "elsewhere/known"
