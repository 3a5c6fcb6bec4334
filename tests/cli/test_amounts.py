"""Figures as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from waypost.cli.amounts import (
    count,
    decimals,
    duration,
    iso_of,
    known,
    local_time,
    moment,
    nano_usd_of,
    rate,
    span_seconds,
    usd,
)
from waypost.cli.exits import Stop

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (None, "-"),
        (0, "$0.00"),
        (1, "$0.000000001"),
        (35_200, "$0.0000352"),
        (18_451, "$0.0000185"),
        (1_234_567, "$0.00123"),
        (100_000_000, "$0.10"),
        (999_000_000, "$0.999"),
        (12_400_000_000, "$12.40"),
        (1_234_000_000_000, "$1,234.00"),
    ],
)
def test_money_has_as_many_digits_as_say_something(nano, text) -> None:
    assert usd(nano) == text


@pytest.mark.parametrize(
    ("text", "cents"),
    [("12.50", 1250), ("$5", 500), (" 1_000 ", 100_000), ("$1,250.5", 125_050), ("-1,000,000", -(10**8))],
)
def test_an_amount_is_read_as_people_type_it(text, cents) -> None:
    assert nano_usd_of(text, "AMOUNT") == cents * 10**7


@pytest.mark.parametrize(
    "text", ["5,5", "5,50", "1,00", "1000,000", "1,0000", ",500", "1,000.5,0", "\u0663", "1.0000000001"]
)
def test_a_comma_that_is_not_between_thousands_is_no_amount(text) -> None:
    with pytest.raises(Stop):
        nano_usd_of(text, "AMOUNT")


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.1, "0.10"), (3.0, "3.00"), (0.075, "0.075"), (0, "0.00")])
def test_a_price_has_at_least_two_decimals(value, text) -> None:
    assert decimals(value) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "-"), (0.44, "0.4 ms"), (57, "57 ms"), (999.6, "1.00 s"), (1300, "1.30 s"), (125_000, "2 min 5 s")],
)
def test_a_duration_has_the_unit_that_fits_it(ms, text) -> None:
    assert duration(ms) == text


def test_rates_and_counts_show_what_is_known() -> None:
    assert [rate(None), rate(3.14159), rate(412.3), rate(51_546)] == ["-", "3.1", "412", "51,546"]
    assert [count(None), count(0), count(1_234_567)] == ["-", "0", "1,234,567"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86_400), ("2 w", 1_209_600), ("90", None), ("-1h", None)]
)
def test_a_span_of_time_has_a_number_and_a_unit(text, seconds) -> None:
    assert span_seconds(text) == seconds


def test_a_moment_is_a_span_from_now_or_a_date() -> None:
    assert moment("2h", NOON, -1) == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert moment("2h", NOON, 1) == datetime(2026, 11, 20, 14, tzinfo=UTC)
    assert moment("2026-11-20T08:00:00Z", NOON, 1) == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert moment("2027-01-31", NOON, 1).tzinfo is not None


@pytest.mark.parametrize("text", ["soon", "", "999999w", "2026-13-01"])
def test_what_is_no_moment_is_refused(text) -> None:
    with pytest.raises(ValueError):
        moment(text, NOON, 1)


def test_times_are_shown_to_the_second() -> None:
    assert iso_of(1_795_000_000_999) == "2026-11-18T11:06:40Z"
    assert iso_of(None) is None
    assert local_time(None) == "-"
    assert len(local_time("2026-11-20T08:15:30.123Z")) == len("2026-11-20 08:15:30")


def test_any_value_becomes_a_word() -> None:
    values = [None, "", True, False, 3, ["b", "a"], [], "x"]
    assert [known(value) for value in values] == ["-", "-", "yes", "no", "3", "a, b", "none", "x"]
