import pytest
from crossroads import ask, endpoint, usd

from waypost.routing.policies import (
    Figures,
    Mix,
    View,
    Wish,
    cheapest,
    expected_mix,
    fastest,
    mix_price,
    named,
    preferred,
)


def test_measured_speed_stands_above_what_the_catalogue_says() -> None:
    row = endpoint("alpha", output_tokens_per_s=900.0, first_token_ms=50.0)
    rank = fastest(View(row, Figures(212.4, 80.0, 40.3)))
    assert rank.key == (-212, 80.0)
    assert rank.why == "212 tokens/s measured over 40 recent calls"
    assert fastest(View(row)).why == "900 tokens/s says the catalogue, not measured yet"


def test_of_two_equally_fast_endpoints_the_one_with_the_earlier_word_goes_first() -> None:
    slow = fastest(View(endpoint("alpha"), Figures(100.0, 300.0, 2)))
    quick = fastest(View(endpoint("beta", first_token_ms=90.0), Figures(100.2, None, 2)))
    unknown = fastest(View(endpoint("gamma"), Figures(100.0, None, 2)))
    assert sorted([slow, unknown, quick], key=lambda rank: rank.key) == [quick, slow, unknown]


def test_an_endpoint_of_unknown_speed_is_last_even_behind_a_very_slow_one() -> None:
    assert fastest(View(endpoint("alpha"), Figures(0.1, 60_000.0, 1))).key < fastest(View(endpoint("beta"))).key


def test_cheapest_weighs_both_prices_by_this_requests_mix() -> None:
    short, long = Wish(mix=Mix(64, 512)), Wish(mix=Mix(65_536, 512))
    cheap_output, cheap_input = endpoint("alpha", price=usd(1.0, 2.0)), endpoint("beta", price=usd(0.1, 5.0))
    assert cheapest(View(cheap_output, wish=short)).key < cheapest(View(cheap_input, wish=short)).key
    assert cheapest(View(cheap_input, wish=long)).key < cheapest(View(cheap_output, wish=long)).key
    assert cheapest(View(endpoint("gamma", price=usd(1.0, 1.0)), wish=short)).why == (
        "1 USD per million tokens of this request's mix"
    )


def test_an_endpoint_without_a_price_is_the_dearest_and_a_free_one_the_cheapest() -> None:
    ranks = [cheapest(View(endpoint("alpha", price=price))).key for price in (usd(0, 0), usd(900, 900), None)]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 3


def test_a_price_for_each_request_counts_most_where_the_request_is_short() -> None:
    flat = usd(0, 0)._replace(request=10**12)
    assert mix_price(flat, Mix(16, 16)) > mix_price(flat, Mix(4096, 4096)) > 0


@pytest.mark.parametrize(
    ("more", "mix"),
    [
        ({"input_tokens_max": 0}, Mix(1, 512)),
        ({"input_tokens_max": 400}, Mix(128, 512)),
        ({"input_tokens_max": 400, "output_tokens_max": 1}, Mix(128, 1)),
        ({"input_tokens_max": 400, "output_tokens_max": 100}, Mix(128, 128)),
        ({"input_tokens_max": 400, "output_tokens_max": 100_000}, Mix(128, 512)),
    ],
)
def test_the_expected_mix_is_a_quarter_of_the_bytes_and_at_most_512_tokens_of_answer(more, mix) -> None:
    assert expected_mix(ask(**more)) == mix
    assert expected_mix(ask(**more)._replace(choices=4)).output == 4 * mix.output


def test_preferred_keeps_the_callers_order_and_puts_the_others_behind() -> None:
    wish = Wish(order=("beta", "alpha"))
    beta, alpha, gamma = (preferred(View(endpoint(slug), wish=wish)) for slug in ("beta", "alpha", "gamma"))
    assert beta.key < alpha.key < gamma.key
    assert beta.why == "number 1 in your order"
    assert "not in your order" in gamma.why


def test_preferred_goes_on_with_the_order_of_the_organisation_that_pays() -> None:
    wish = Wish(order=("beta",), then=("gamma", "delta"), whose="acme")
    ranks = [preferred(View(endpoint(slug), wish=wish)) for slug in ("beta", "gamma", "delta", "alpha")]
    assert [rank.key for rank in ranks] == sorted({rank.key for rank in ranks})
    assert [rank.why for rank in ranks] == [
        "number 1 in your order",
        "number 1 in the order of acme",
        "number 2 in the order of acme",
        "not in your order, nor in that of acme: as the catalogue lists it",
    ]


def test_a_provider_asked_for_by_name_needs_no_figure() -> None:
    assert named(View(endpoint("alpha"))).why == "asked for by name"
