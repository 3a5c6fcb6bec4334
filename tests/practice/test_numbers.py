"""Numbers within limits, exactly."""

from fractions import Fraction

import pytest

from waypost.practice.numbers import Limits


@pytest.mark.parametrize(
    ("schema", "whole", "found"),
    [
        ({}, True, 0),
        ({"minimum": 3}, True, 3),
        ({"exclusiveMinimum": 3}, True, 4),
        ({"maximum": -2}, True, -2),
        ({"exclusiveMaximum": 0}, True, -1),
        ({"exclusiveMinimum": 0, "exclusiveMaximum": 1}, False, Fraction(1, 2)),
        ({"multipleOf": 5, "minimum": 7}, True, 10),
        ({"multipleOf": 0.1, "exclusiveMinimum": 0.2}, False, Fraction(3, 10)),
        ({"multipleOf": 0.5, "minimum": 0.5}, True, 1),
        ({"minimum": 2.5, "maximum": 2.5}, False, Fraction(5, 2)),
        ({"minimum": True, "maximum": float("inf")}, True, 0),
    ],
)
def test_the_first_number_that_is_allowed_is_the_plainest(schema, whole, found):
    limits = Limits.of(schema, whole=whole)
    assert next(number for number in limits.tries(0) if limits.allow(number)) == found


def test_later_items_get_later_numbers():
    limits = Limits.of({"minimum": 10}, whole=True)
    assert [next(limits.tries(which)) for which in range(3)] == [10, 11, 12]


def test_a_range_without_a_number_offers_none():
    limits = Limits.of({"minimum": 3, "maximum": 2}, whole=True)
    assert not any(limits.allow(number) for number in limits.tries(0))
