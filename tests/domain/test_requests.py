"""Request numbers only grow, differ between writers, and are written so that they sort."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.domain.requests import RequestNumbers, first_number_at, request_id, request_number


class HandClock:
    """Unix milliseconds, set by hand."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@given(st.lists(st.integers(-50, 50), max_size=200))
def test_numbers_only_grow_even_when_the_clock_goes_back(steps) -> None:
    clock = HandClock(1_750_000_000_000)
    numbers = RequestNumbers(0, clock)
    seen = []
    for step in steps:
        clock.now += step
        seen.append(numbers.next()[0])
    assert seen == sorted(set(seen))


def test_a_millisecond_that_is_full_borrows_from_the_next() -> None:
    numbers = RequestNumbers(3, HandClock(1_750_000_000_000))
    seen = [numbers.next() for _ in range((1 << 15) + 2)]
    assert len({number for number, _ in seen}) == len(seen)
    assert seen[-1][1] == 1_750_000_000_001


def test_two_writers_never_make_the_same_number() -> None:
    clock = HandClock(1_750_000_000_000)
    ours, theirs = RequestNumbers(0, clock), RequestNumbers(63, clock)
    assert not {ours.next()[0] for _ in range(100)} & {theirs.next()[0] for _ in range(100)}


@pytest.mark.parametrize("writer", [-1, 64])
def test_a_writer_beyond_six_bits_is_refused(writer) -> None:
    with pytest.raises(ValueError, match="writer"):
        RequestNumbers(writer, HandClock(0))


@given(st.integers(0, (1 << 63) - 1))
def test_an_id_can_be_read_back(number) -> None:
    assert request_number(request_id(number)) == number
    assert request_number(request_id(number).lower()) == number


@given(st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 63) - 1))
def test_ids_sort_as_their_numbers_do(one, other) -> None:
    assert (request_id(one) < request_id(other)) == (one < other)


@pytest.mark.parametrize(
    "text", ["", "req_", "req_123", "req_" + "U" * 13, "req_" + "Z" * 13, "req_" + "0" * 14, "x" * 13]
)
def test_what_is_none_of_our_ids_is_seen(text) -> None:
    assert request_number(text) is None


def test_a_times_first_number_bounds_all_numbers_of_that_time() -> None:
    clock = HandClock(1_750_000_000_000)
    before, at = RequestNumbers(63, HandClock(1_749_999_999_999)).next()[0], RequestNumbers(0, clock).next()[0]
    assert before < first_number_at(1_750_000_000_000) <= at
