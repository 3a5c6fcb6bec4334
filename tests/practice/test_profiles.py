"""The built-in providers fit the catalogue, and differ where a person should see it."""

import dataclasses

import pytest
from practiceclient import ask, fetch, practice

from waypost.domain.chat import Need
from waypost.domain.endpoints import Model, Provider
from waypost.practice.profiles import BUILT_IN, SWIFT, THRIFTY, catalogue_rows

URLS = {profile.slug: f"http://127.0.0.1:900{number}/v1" for number, profile in enumerate(BUILT_IN)}


def test_the_rows_are_the_domains_own_values():
    providers, models = catalogue_rows(URLS)
    assert all(isinstance(row, Provider) and row.usable and row.practice for row in providers.values())
    assert all(isinstance(row, Model) and row.endpoints for row in models.values())
    assert {slug: row.base_url for slug, row in providers.items()} == URLS


def test_only_running_providers_get_rows():
    providers, models = catalogue_rows({"together": URLS["together"]})
    assert set(providers) == {"together"}
    assert {row.provider for model in models.values() for row in model.endpoints} == {"together"}


@pytest.mark.parametrize(
    ("model", "providers"),
    [
        ("openai/gpt-oss-120b", ["practice-swift", "practice-thrifty", "together"]),
        ("Qwen/Qwen3.5-9B", ["together"]),
        ("meta/llama", ["practice-swift", "practice-thrifty"]),
        ("practice/parrot", ["practice-swift", "practice-thrifty", "practice-flaky"]),
    ],
)
def test_the_documents_models_run_where_the_design_says(model, providers):
    _, models = catalogue_rows(URLS)
    assert [row.provider for row in models[model].endpoints] == providers


def test_every_row_answers_at_its_provider(run):
    async def call():
        quick = tuple(dataclasses.replace(profile.at_speed(0), faults="") for profile in BUILT_IN)
        async with practice(quick) as servers:
            for profile in quick:
                for row in profile.models:
                    wire = await fetch(servers[profile.slug], ask("Reply with exactly OK", model=row.id))
                    assert (wire.status, wire.json["model"]) == (200, row.id)
                    assert wire.json["choices"][0]["message"]["content"] == "OK"

    run(call())


def test_the_providers_differ_enough_for_every_exclusion_to_be_seen():
    rows = [row for profile in BUILT_IN for row in profile.models]
    for need in (Need.TOOLS, Need.STRUCTURED_OUTPUT, Need.IMAGES):
        assert any(row.abilities & need for row in rows)
        assert any(not row.abilities & need for row in rows)
    assert any(row.price is None for row in rows)
    sages = {row.provider: row.context_length for row in rows if row.model == "practice/sage"}
    assert sages["practice-swift"] < sages["practice-thrifty"]


def test_swift_is_the_faster_and_thrifty_the_cheaper_wherever_both_run():
    swift = {row.model: row for row in SWIFT.models}
    for row in THRIFTY.models:
        assert swift[row.model].output_tokens_per_s > row.output_tokens_per_s
        assert swift[row.model].price.output > row.price.output


def test_a_row_of_another_provider_is_refused():
    with pytest.raises(ValueError, match="belongs to"):
        dataclasses.replace(SWIFT, models=THRIFTY.models)


def test_no_practice_provider_takes_the_place_of_hf_inference():
    assert "hf-inference" not in URLS
