"""A provider's count is believed only when it can be true."""

import pytest

from waypost.domain.chat import Usage
from waypost.providers.metering import TOKENS_MAX, estimate, usage_json, usage_of, words_in
from waypost.wire.dialects import read_chat


def test_classes_are_disjoint() -> None:
    reported = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    assert usage_of(reported) == Usage(input=6, cached_input=4, output=2, reasoning=5)


def test_an_explicit_zero_is_zero() -> None:
    assert usage_of({"prompt_tokens": 0, "completion_tokens": 0}) == Usage(0, 0, 0, 0)


@pytest.mark.parametrize(
    "reported",
    [
        None,
        [],
        "7",
        {},
        {"completion_tokens": 3},
        {"prompt_tokens": 3},
        {"prompt_tokens": -1, "completion_tokens": 3},
        {"prompt_tokens": 1, "completion_tokens": -3},
        {"prompt_tokens": 1.5, "completion_tokens": 3},
        {"prompt_tokens": True, "completion_tokens": 3},
        {"prompt_tokens": "1", "completion_tokens": 3},
        {"prompt_tokens": 2**31, "completion_tokens": 3},
        {"prompt_tokens": 1, "completion_tokens": 2**63},
        {"prompt_tokens": TOKENS_MAX + 1, "completion_tokens": 3},
        {"prompt_tokens": {"n": 1}, "completion_tokens": 3},
    ],
)
def test_what_cannot_be_counts_as_missing(reported: object) -> None:
    assert usage_of(reported) is None


def test_details_that_exceed_the_whole_are_left_out() -> None:
    reported = {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}
    assert usage_of(reported) == Usage(3, 0, 1, 0)


def test_an_estimate_says_that_it_is_one() -> None:
    ask = read_chat(b'{"model":"a/b","messages":[{"role":"user","content":"hello"}]}')
    usage = estimate(ask, 12)
    assert usage.estimated
    assert usage.output == 12
    assert usage_json(usage)["estimated"] is True
    assert words_in(9) == 3
