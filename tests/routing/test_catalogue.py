import time

import pytest
from crossroads import endpoint, model, provider

from waypost.domain.endpoints import Endpoint, Model
from waypost.routing.catalogue import Catalogue


def build(*models: Model, slugs: str = "alpha beta") -> Catalogue:
    return Catalogue.build([provider(slug) for slug in slugs.split()], models)


def test_a_model_is_found_by_its_exact_id_only() -> None:
    catalogue = build(model("alpha"))
    assert catalogue.find("acme/one") is not None
    assert catalogue.find("Acme/One") is None
    assert catalogue.nearest("Acme/One") == ["acme/one"]


def test_an_alias_leads_to_its_model_through_other_aliases() -> None:
    catalogue = build(
        model("alpha"), Model("acme/old", alias_of="acme/older"), Model("acme/older", alias_of="acme/one")
    )
    found = catalogue.find("acme/old")
    assert found is not None
    assert found.id == "acme/one"


@pytest.mark.parametrize("target", ["acme/none", "acme/old"])
def test_an_alias_that_leads_nowhere_is_refused_when_the_catalogue_is_built(target) -> None:
    with pytest.raises(ValueError, match="leads to no model"):
        build(Model("acme/old", alias_of=target))


@pytest.mark.parametrize("slug", ["fastest", "cheapest", "preferred"])
def test_a_provider_named_like_a_policy_is_refused_when_the_catalogue_is_built(slug) -> None:
    with pytest.raises(ValueError, match="named like a policy"):
        build(slugs=slug)


def test_a_model_is_found_by_the_id_that_its_provider_uses() -> None:
    catalogue = build(model("alpha", "beta"))
    found = catalogue.by_native_id("alpha", "one-at-alpha")
    assert found is not None
    assert found.id == "acme/one"
    assert catalogue.by_native_id("beta", "one-at-alpha") is None
    assert catalogue.by_native_id("gamma", "one-at-alpha") is None


def test_of_two_models_with_one_native_id_the_first_stands() -> None:
    two = model(endpoint("alpha", "acme/two", id="one-at-alpha"), name="acme/two")
    found = build(model("alpha"), two).by_native_id("alpha", "one-at-alpha")
    assert found is not None
    assert found.id == "acme/one"


def test_two_rows_of_a_model_are_joined_without_doubling_an_endpoint() -> None:
    first = endpoint("alpha", is_free=True)
    found = build(model(first), model("alpha", "beta")).find("acme/one")
    assert found is not None
    assert [e.provider for e in found.endpoints] == ["alpha", "beta"]
    assert found.endpoints[0] is first


def test_an_endpoint_of_an_unknown_provider_is_kept_so_that_plans_can_say_why_it_is_left_out() -> None:
    catalogue = build(model("gamma"))
    assert not catalogue.providers["gamma"].usable


@pytest.mark.parametrize(
    ("wrong", "first"),
    [("acme/model-77", "acme/model-0077"), ("acem/model-0077", "acme/model-0077"), ("model-0077", "acme/model-0077")],
)
def test_the_nearest_of_ten_thousand_ids_is_found_without_holding_up_the_loop(wrong, first) -> None:
    catalogue = build(*(Model(f"acme/model-{n:04}") for n in range(10_000)))
    catalogue.nearest("acme/warm-up")
    started = time.process_time()
    assert first in catalogue.nearest(wrong)
    assert time.process_time() - started < 0.05


def test_nothing_is_suggested_for_an_id_like_no_other() -> None:
    assert build(model("alpha")).nearest("zzzzzzzz") == []
    assert build(model("alpha")).nearest("") == []
    assert build(model("alpha")).nearest("z" * 100_000) == []


def test_ten_thousand_models_at_eight_providers_are_built_in_under_two_seconds() -> None:
    slugs = [f"p{n}" for n in range(8)]
    models = [
        Model(name, tuple(Endpoint(name, slug, f"{slug}-{n}") for slug in slugs))
        for n, name in enumerate(f"acme/model-{n}" for n in range(10_000))
    ]
    started = time.process_time()
    catalogue = build(*models, slugs=" ".join(slugs))
    assert time.process_time() - started < 2.0
    found = catalogue.by_native_id("p7", "p7-9999")
    assert found is not None
    assert found.id == "acme/model-9999"
