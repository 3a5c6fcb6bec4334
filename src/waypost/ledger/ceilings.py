"""What a call can cost at most, before anybody knows its answer. Pure.

Bounds need no tokenizer: a byte-level token is at least one byte of the prompt, so a prompt has at most as many tokens
as bytes. The answer is bounded by the caller's cap, or by ours, which then is sent to the provider.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from waypost.domain.chat import ChatRequest
from waypost.domain.endpoints import Endpoint
from waypost.domain.money import CHARGE_NANO_USD_MAX, UNITS_PER_PRICE
from waypost.domain.plans import Plan

OUTPUT_TOKENS_MAX: Final = 16_384
"""The longest answer that is held for where the caller names no cap."""
OUTPUT_TOKENS_LEAST: Final = 256
"""Shorter than this we cap no answer by ourselves."""
FREE_SHARE: Final = 4
"""One call takes at most one part in so many of the free credits, where the caller names no cap."""
UNLIMITED: Final = 1 << 62


class Ceiling(NamedTuple):
    """What one price makes of this call: so much for its prompt, and so much for each token of its answer."""

    prompt: int
    """Nano-USD times a million, the request's own price counted in."""
    token: int
    """Nano-USD per million tokens, for all choices together."""
    most: int
    """Longer than this no answer of such an endpoint is."""

    def of(self, output_tokens: int) -> int:
        """Nano-USD for an answer of so many tokens a choice."""
        total = self.prompt + min(output_tokens, self.most) * self.token
        return min(-(-total // UNITS_PER_PRICE), CHARGE_NANO_USD_MAX)

    def fits(self, nano_usd: int) -> int:
        """The longest answer, in tokens a choice, within this; negative where not even the prompt is."""
        left = nano_usd * UNITS_PER_PRICE - self.prompt
        if left < 0:
            return -1
        fits = left // self.token if self.token else UNLIMITED
        return UNLIMITED if fits >= self.most else fits


def ceilings(plan: Plan, ask: ChatRequest) -> list[Ceiling]:
    """One for each different price of the plan that credits would pay; none where nobody asks for credits.

    An endpoint without a price, or called with the payer's own key, holds nothing.
    """
    paid = (c.endpoint for c in plan.order if c.endpoint.price is not None and c.own_key is None)
    return list({_ceiling(endpoint, ask) for endpoint in paid})


def dearest(found: Iterable[Ceiling], output_tokens: int) -> int:
    """What the call can cost at most, in nano-USD, whoever of them serves it."""
    return max(each.of(output_tokens) for each in found)


def longest_within(found: Iterable[Ceiling], nano_usd: int) -> int:
    """The longest answer, in tokens a choice, that is within this at all of them; negative where no prompt is."""
    return min(each.fits(nano_usd) for each in found)


def cap_of(found: Iterable[Ceiling], free_nano_usd: int) -> int:
    """How long an answer may get where the caller did not say.

    It is the least of what anybody here can write, our own maximum, and what a share of the free credits buys, but
    never under `OUTPUT_TOKENS_LEAST`.
    """
    found = list(found)
    able = max(each.most for each in found)
    bought = longest_within(found, free_nano_usd // FREE_SHARE)
    return max(OUTPUT_TOKENS_LEAST, min(able, OUTPUT_TOKENS_MAX, bought))


def _ceiling(endpoint: Endpoint, ask: ChatRequest) -> Ceiling:
    price = endpoint.price
    assert price is not None  # noqa: S101 (`ceilings` asks for those with one)
    room = endpoint.context_length or UNLIMITED
    tokens = min(ask.input_tokens_max + ask.images * endpoint.image_tokens_max, room)
    read = max(price.input, price.cached_input or 0)
    written = max(price.output, price.reasoning or 0)
    most = min(endpoint.output_tokens_max or UNLIMITED, room)
    return Ceiling(tokens * read + price.request, written * ask.choices, most)
