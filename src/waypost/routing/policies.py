"""How endpoints are put in order: one function a policy. Pure.

A policy looks at one endpoint and answers with its `Rank`: a sort key, smallest first, and the phrase with the figure
that decided. Equal keys keep the catalogue's order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from waypost.domain.chat import EXPECTED_OUTPUT_TOKENS, ChatRequest
from waypost.domain.endpoints import Endpoint
from waypost.domain.money import NANO_USD_PER_USD, Price

UNKNOWN: Final = float("inf")


class Figures(NamedTuple):
    """What was measured at an endpoint; None until then."""

    tokens_per_s: float | None = None
    first_word_ms: float | None = None
    calls: float = 0.0


class Mix(NamedTuple):
    """How many tokens of each class a request is expected to take."""

    input: int
    output: int


class Wish(NamedTuple):
    """What the caller said about order, and what the request looks like."""

    order: tuple[str, ...] = ()
    """The caller's provider slugs, most wanted first."""
    mix: Mix = Mix(0, EXPECTED_OUTPUT_TOKENS)
    then: tuple[str, ...] = ()
    """The order of the organisation that pays: of those that the caller did not list."""
    whose: str = ""
    """That organisation."""


class Rank(NamedTuple):
    """Where an endpoint stands, and why."""

    key: tuple[float, ...]
    why: str


class View(NamedTuple):
    """Everything a policy may look at."""

    endpoint: Endpoint
    figures: Figures = Figures()
    wish: Wish = Wish()


Policy = Callable[[View], Rank]


def fastest(view: View) -> Rank:
    """Most output tokens a second first: measured, else from the catalogue; unknown last. Ties: first word."""
    endpoint, figures = view.endpoint, view.figures
    speed, first_ms = figures.tokens_per_s, figures.first_word_ms
    if first_ms is None:
        first_ms = endpoint.first_token_ms
    if speed is not None:
        source = f"measured over {_calls(figures.calls)}"
    elif endpoint.output_tokens_per_s is not None:
        speed = endpoint.output_tokens_per_s
        source = "says the catalogue, not measured yet"
    else:
        return Rank((UNKNOWN, UNKNOWN if first_ms is None else first_ms), "speed not known yet")
    # whole tokens/s: what the phrase shows is what decides, and less is noise
    return Rank((-round(speed), UNKNOWN if first_ms is None else first_ms), f"{round(speed)} tokens/s {source}")


def cheapest(view: View) -> Rank:
    """Lowest price of this request's mix first; without a price last."""
    price = view.endpoint.price
    if price is None:
        return Rank((UNKNOWN,), "price not known")
    nano = mix_price(price, view.wish.mix)
    return Rank((nano,), f"{_usd(nano)} USD per million tokens of this request's mix")


def preferred(view: View) -> Rank:
    """As the caller listed the providers, then as the organisation that pays did; those on no list follow."""
    provider, wish = view.endpoint.provider, view.wish
    order, then = wish.order, wish.then
    if provider in order:
        place = order.index(provider)
        return Rank((place,), f"number {place + 1} in your order")
    if provider in then:
        place = then.index(provider)
        return Rank((len(order) + place,), f"number {place + 1} in the order of {wish.whose}")
    nor = f", nor in that of {wish.whose}" if then else ""
    return Rank((len(order) + len(then),), f"not in your order{nor}: as the catalogue lists it")


def named(_: View) -> Rank:
    """The one provider that was asked for."""
    return Rank((0,), "asked for by name")


POLICIES: Final[dict[str, Policy]] = {"fastest": fastest, "cheapest": cheapest, "preferred": preferred}


def expected_mix(ask: ChatRequest) -> Mix:
    """What `cheapest` weighs prices with.

    Input: a quarter of the bound on prompt tokens, as text has about four bytes a token. Output: 512 tokens or the
    request's own cap, whichever is less, for each choice. Both are rounded up to a power of two, so that requests of
    about one size share one order. A chat of usual length is led by its output price in this way, and a long
    document by its input price.
    """
    return Mix(1 << ask.input_tokens_expected.bit_length(), 1 << (ask.output_tokens_expected - 1).bit_length())


def mix_price(price: Price, mix: Mix) -> float:
    """Nano-USD per million tokens of the mix; the price of a request is spread over its tokens."""
    return (price.input * mix.input + price.output * mix.output + price.request) / (mix.input + mix.output)


def _calls(weight: float) -> str:
    count = max(1, round(weight))
    return "1 recent call" if count == 1 else f"{count} recent calls"


def _usd(nano: float) -> str:
    return f"{nano / NANO_USD_PER_USD:.6f}".rstrip("0").rstrip(".")
