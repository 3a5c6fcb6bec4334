"""What a waybill works out from what was written into it."""

from __future__ import annotations

import pytest

from waypost.domain.chat import Usage
from waypost.domain.waybill import Waybill


def test_speed_counts_every_token_from_the_first_word_on() -> None:
    bill = Waybill(1, 0, "req_1", usage=Usage(5, 0, 60, 40), first_word_ms=500.0, ms=1500.0)
    assert bill.output_tokens_per_s == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("usage", "first", "ms"), [(None, 1.0, 2.0), (Usage(1, 0, 1, 0), None, 2.0), (Usage(1, 0, 1, 0), 2.0, 2.0)]
)
def test_without_words_or_time_there_is_no_speed(usage, first, ms) -> None:
    assert Waybill(1, 0, "req_1", usage=usage, first_word_ms=first, ms=ms).output_tokens_per_s is None
