from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.domain.ledger import next_period, period_of, period_range


def unix_ms(*when):
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("when", "period"), [((2026, 11, 30, 23, 59, 59), 202611), ((2026, 12, 1), 202612), ((2027, 1, 1), 202701)]
)
def test_months_are_utc(when, period):
    assert period_of(unix_ms(*when)) == period


def test_december_is_followed_by_january():
    assert next_period(202612) == 202701


@given(st.integers(0, 4_102_444_800_000))
def test_a_moment_lies_in_its_own_month_and_months_touch(moment):
    period = period_of(moment)
    first, after = period_range(period)
    assert first <= moment < after
    assert period_range(next_period(period))[0] == after
