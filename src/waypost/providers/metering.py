"""What an answer came to: the provider's own count where it can be believed, else our estimate. Pure."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any

from waypost.domain.chat import BYTES_PER_TOKEN, ChatRequest, Usage
from waypost.domain.money import NANO_USD_PER_USD

REPORTED_USD_MAX = 10_000
TOKENS_MAX = 100_000_000
UNBELIEVABLE = "its usage cannot be believed, so ours is an estimate"


def usage_of(reported: Any) -> Usage | None:
    """Read an OpenAI `usage` object into disjoint classes.

    None where it is missing, told by halves, or says something that cannot be: negative, huge, not a whole number.
    """
    if not isinstance(reported, dict):
        return None
    prompt, completion = reported.get("prompt_tokens"), reported.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int:
        return None
    if not (0 <= prompt <= TOKENS_MAX and 0 <= completion <= TOKENS_MAX):
        return None
    cached = reasoning = 0
    if "prompt_tokens_details" in reported:
        cached = _detail(reported["prompt_tokens_details"], "cached_tokens", prompt)
    if "completion_tokens_details" in reported:
        reasoning = _detail(reported["completion_tokens_details"], "reasoning_tokens", completion)
    return Usage(prompt - cached, cached, completion - reasoning, reasoning)


def reported_cost(reported: Any) -> int | None:
    """What the provider itself says a call cost, in nano-USD: `usage.cost` in USD, as OpenRouter sends it."""
    cost = reported.get("cost") if isinstance(reported, dict) else None
    if not isinstance(cost, (int, float)) or isinstance(cost, bool) or not 0 <= cost <= REPORTED_USD_MAX:
        return None
    return int((Decimal(str(cost)) * NANO_USD_PER_USD).to_integral_value(ROUND_CEILING))


def estimate(ask: ChatRequest, words: int) -> Usage:
    """What a call without a believable count came to: about four bytes a prompt token, one token a piece of answer."""
    return Usage(input=max(1, ask.input_tokens_expected), cached_input=0, output=words, reasoning=0, estimated=True)


def words_in(text_bytes: int) -> int:
    """Estimated tokens of an answer that came in one piece."""
    return -(-text_bytes // BYTES_PER_TOKEN)


def usage_json(usage: Usage) -> dict[str, Any]:
    """Our count in OpenAI's shape, for a provider that gave none."""
    shown: dict[str, Any] = {
        "prompt_tokens": usage.input_total,
        "completion_tokens": usage.output_total,
        "total_tokens": usage.input_total + usage.output_total,
    }
    if usage.estimated:
        shown["estimated"] = True
    return shown


def _detail(details: Any, name: str, at_most: int) -> int:
    count = details.get(name) if isinstance(details, dict) else None
    return count if type(count) is int and 0 <= count <= at_most else 0
