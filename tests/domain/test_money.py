"""Money is whole nano-USD: summed first, rounded once, upwards."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.domain.chat import Usage
from waypost.domain.money import (
    CHARGE_NANO_USD_MAX,
    Price,
    cost_nano_usd,
    dated_price,
    exact_usd,
    nano_usd,
    nano_usd_per_million,
)

TOKENS = st.integers(0, 10_000_000)
PRICES = st.integers(0, 100 * 10**9)


@given(
    st.builds(Usage, TOKENS, TOKENS, TOKENS, TOKENS),
    st.builds(Price, PRICES, PRICES, st.none() | PRICES, st.none() | PRICES, PRICES),
)
def test_a_cost_is_the_exact_sum_rounded_up_once(usage, price) -> None:
    pi, po, pc, pr, request, _ = price
    i, c, o, r, _ = usage
    exact = Fraction(
        i * pi + c * (pi if pc is None else pc) + o * po + r * (po if pr is None else pr) + request, 1_000_000
    )
    cost = cost_nano_usd(price, usage)
    assert type(cost) is int
    assert cost == min(-(-exact.numerator // exact.denominator), CHARGE_NANO_USD_MAX)


def test_the_smallest_use_of_the_cheapest_price_still_costs_something() -> None:
    assert cost_nano_usd(Price(1, 1), Usage(1, 0, 0, 0)) == 1


def test_one_charge_is_capped() -> None:
    assert cost_nano_usd(Price(10**15, 0), Usage(10**9, 0, 0, 0)) == CHARGE_NANO_USD_MAX


@pytest.mark.parametrize(
    ("written", "nano"),
    [
        ("0.10", 100_000_000),
        ("0", 0),
        (1, 10**9),
        (0.1, 100_000_000),
        ("1e-9", 1),
        ("0.0000000001", 1),
        ("2.50", 25 * 10**8),
    ],
)
def test_a_price_is_read_as_people_write_it(written, nano) -> None:
    assert nano_usd_per_million(written) == nano


@pytest.mark.parametrize("written", ["", "ten", "-1", "nan", "inf", "-inf", True, None, "1000000.01", "0x10", "1,5"])
def test_what_is_no_amount_of_usd_is_refused(written) -> None:
    with pytest.raises(ValueError, match="USD"):
        nano_usd_per_million(written)


def test_a_dated_price_is_named_by_its_day_and_its_figures() -> None:
    one, same, other = Price(1, 2), Price(1, 2, version="old"), Price(1, 3)
    assert dated_price(one, "2026-01-01") == dated_price(same, "2026-01-01")
    versions = {dated_price(price, day).version for price in (one, other) for day in ("2026-01-01", "2026-01-02")}
    assert len(versions) == 4


@pytest.mark.parametrize(
    ("written", "nano"), [("5.00", 5 * 10**9), ("0.000000001", 1), ("-2.5", -25 * 10**8), (3, 3 * 10**9), (0.1, 10**8)]
)
def test_amounts_are_read_exactly(written, nano):
    assert nano_usd(written) == nano


@pytest.mark.parametrize("written", ["", "five", "0.0000000001", "1e30", "nan", "inf", True, "1_000.0000000001"])
def test_what_is_no_whole_number_of_nano_usd_is_refused(written):
    with pytest.raises(ValueError, match="USD"):
        nano_usd(written)


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (35_200, "$0.0000352"),
        (12_400_000_000, "$12.40"),
        (10**19, "$10,000,000,000.00"),
        (-3_000_000_000, "-$3.00"),
    ],
)
def test_amounts_are_exact_and_have_at_least_two_decimals(nano, shown):
    assert exact_usd(nano) == shown
