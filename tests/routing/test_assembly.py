"""Sheets below, the settings' rows above: which word stands."""

from __future__ import annotations

from waypost.domain.chat import Need
from waypost.domain.endpoints import Deadlines, Endpoint, Model, Sheet
from waypost.domain.money import Price, dated_price
from waypost.routing.assembly import assemble
from waypost.routing.model_rows import ModelRow

DAY = "2026-11-20"
HUB = "https://router.huggingface.co/v1/models"
OWN = "https://alpha.example/v1/models"


def row(endpoints=None, **changes) -> dict[str, ModelRow]:
    words = {"alias_of": None, "retired": None, "deadlines": None, "endpoints": endpoints or {}} | changes
    return {"acme/one": ModelRow("acme/one", **words)}


def hub(*endpoints: Endpoint) -> Sheet:
    return Sheet("huggingface", HUB, "2026-11-01", (Model("acme/one", endpoints, created=7),))


def at_alpha(**changes) -> Endpoint:
    return Endpoint("acme/one", "alpha", "one-there", source=HUB, as_of="2026-11-01", **changes)


def only(assembled) -> Endpoint:
    (endpoint,) = assembled.models["acme/one"].endpoints
    return endpoint


def test_a_row_alone_makes_an_endpoint_of_the_settings() -> None:
    given = {
        "input_usd_per_million": 100_000_000,
        "output_usd_per_million": 300_000_000,
        "reasoning_usd_per_million": 5,
        "usd_per_request": 7,
        "context_length": 9,
        "abilities": ("tools", "images"),
    }
    endpoint = only(assemble([], row({"alpha": given}), DAY))
    assert endpoint.id == "acme/one"
    assert endpoint.price == dated_price(Price(100_000_000, 300_000_000, None, 5, 7), DAY)
    assert (endpoint.context_length, endpoint.source, endpoint.as_of) == (9, "settings", DAY)
    assert (endpoint.abilities, endpoint.abilities_known) == (Need.TOOLS | Need.IMAGES, True)
    assert assemble([], row({"alpha": given}), DAY).models["acme/one"].input_modalities == ("text", "image")


def test_a_row_that_says_nothing_is_unpriced_and_has_nothing_held_against_it() -> None:
    endpoint = only(assemble([], row({"alpha": {}}), DAY))
    assert endpoint.price is None
    assert not endpoint.abilities_known


def test_free_in_the_settings_is_a_price_of_zero() -> None:
    endpoint = only(assemble([], row({"alpha": {"is_free": True}}), DAY))
    assert endpoint.is_free
    assert endpoint.price == dated_price(Price(0, 0), DAY)


def test_the_settings_win_and_what_they_leave_out_stays_as_synced() -> None:
    synced = at_alpha(price=dated_price(Price(1, 2, 3, 4), "2026-11-01"), context_length=5, is_free=True)
    given = {"input_usd_per_million": 10, "output_usd_per_million": 20}
    endpoint = only(assemble([hub(synced)], row({"alpha": given}), DAY))
    assert endpoint.price == dated_price(Price(10, 20), DAY)
    assert (endpoint.id, endpoint.context_length, endpoint.is_free) == ("one-there", 5, False)
    assert endpoint.source == "settings"


def test_a_row_that_prices_only_the_cache_keeps_the_synced_price_of_the_rest() -> None:
    synced = at_alpha(price=dated_price(Price(1, 2), "2026-11-01"))
    endpoint = only(assemble([hub(synced)], row({"alpha": {"cached_input_usd_per_million": 0}}), DAY))
    assert endpoint.price == dated_price(Price(1, 2, 0), DAY)
    unpriced = only(assemble([hub(at_alpha())], row({"alpha": {"cached_input_usd_per_million": 0}}), DAY))
    assert unpriced.price is None


def test_providers_stand_in_the_order_of_the_settings_and_then_of_the_sheets() -> None:
    beta, gamma = (Endpoint("acme/one", slug, "x") for slug in ("beta", "gamma"))
    assembled = assemble([hub(at_alpha(), beta, gamma)], row({"gamma": {}, "delta": {}}), DAY)
    assert [each.provider for each in assembled.models["acme/one"].endpoints] == ["gamma", "delta", "alpha", "beta"]


def test_a_provider_s_own_sheet_lies_over_hugging_face_s_and_takes_from_it_what_it_leaves_open() -> None:
    own = Endpoint("acme/one", "alpha", "one-now", context_length=99, source=OWN, as_of=DAY)
    told = at_alpha(
        price=dated_price(Price(1, 2), "2026-11-01"),
        context_length=5,
        abilities=Need.TOOLS,
        abilities_known=True,
        is_model_author=True,
        output_tokens_per_s=100.0,
    )
    assembled = assemble([hub(told), Sheet("alpha", OWN, DAY, (Model("acme/one", (own,)),))], {}, DAY)
    endpoint = only(assembled)
    assert (endpoint.id, endpoint.context_length, endpoint.price) == ("one-now", 99, told.price)
    assert (endpoint.abilities, endpoint.abilities_known, endpoint.is_model_author) == (Need.TOOLS, True, True)
    assert endpoint.output_tokens_per_s == 100.0
    assert endpoint.source == f"{OWN} and {HUB}"
    assert assembled.models["acme/one"].created == 7


def test_a_price_of_its_own_is_not_replaced_by_what_another_sheet_says_is_free() -> None:
    own = Endpoint("acme/one", "alpha", "x", price=dated_price(Price(5, 6), DAY), source=OWN, as_of=DAY)
    free = at_alpha(price=dated_price(Price(0, 0), DAY), is_free=True)
    endpoint = only(assemble([hub(free), Sheet("alpha", OWN, DAY, (Model("acme/one", (own,)),))], {}, DAY))
    assert (endpoint.price[:2], endpoint.is_free) == ((5, 6), False)
    assert endpoint.source == OWN


def test_a_price_of_zero_is_taken_from_another_sheet_together_with_its_reason() -> None:
    own = Endpoint("acme/one", "alpha", "x", source=OWN, as_of=DAY)
    free = at_alpha(price=dated_price(Price(0, 0), DAY), is_free=True)
    endpoint = only(assemble([hub(free), Sheet("alpha", OWN, DAY, (Model("acme/one", (own,)),))], {}, DAY))
    assert (endpoint.price[:2], endpoint.is_free) == ((0, 0), True)


def test_an_alias_and_a_retired_model_have_no_endpoints_of_their_own() -> None:
    other = Sheet("huggingface", HUB, DAY, (Model("acme/two", ()),))
    alias = assemble([hub(at_alpha()), other], row(alias_of="acme/two"), DAY).models["acme/one"]
    assert (alias.alias_of, alias.endpoints) == ("acme/two", ())
    retired = assemble([hub(at_alpha())], row(retired="2026-06-01"), DAY).models["acme/one"]
    assert (retired.retired, retired.endpoints, retired.created) == ("2026-06-01", (), 7)


def test_an_alias_that_leads_nowhere_is_left_out_with_a_note() -> None:
    assembled = assemble([], row(alias_of="acme/two"), DAY)
    assert assembled.models == {}
    assert assembled.notes == ('models."acme/one": left out, because "acme/two" that it is an alias of is in no list',)


def test_deadlines_of_a_model_reach_it() -> None:
    deadlines = Deadlines(1, 2, 3, 4)
    assert assemble([hub(at_alpha())], row(deadlines=deadlines), DAY).models["acme/one"].deadlines == deadlines


def test_sheets_and_rows_are_not_changed_by_being_put_together() -> None:
    below = hub(at_alpha())
    assembled = assemble([below], {}, DAY)
    assert assembled.models["acme/one"] is below.models[0]
