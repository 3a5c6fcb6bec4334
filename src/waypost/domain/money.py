"""Money in whole nano-USD: prices by class, and the one rule that rounds."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from waypost.domain.chat import Usage

NANO_USD_PER_USD = 1_000_000_000
UNITS_PER_PRICE = 1_000_000
CHARGE_NANO_USD_MAX = 10_000 * NANO_USD_PER_USD
AMOUNT_NANO_USD_MAX = 1_000_000_000 * NANO_USD_PER_USD
PRICE_NANO_USD_MAX = 1_000_000 * NANO_USD_PER_USD


class Price(NamedTuple):
    """Nano-USD per 1,000,000 tokens of each class; `request` is nano-USD per 1,000,000 requests."""

    input: int
    output: int
    cached_input: int | None = None
    """Without one, cached input costs what input costs."""
    reasoning: int | None = None
    """Without one, reasoning costs what output costs."""
    request: int = 0
    version: str = ""
    """Names this price for ever, so that a charge can be worked out again."""


def cost_nano_usd(price: Price, usage: Usage) -> int:
    """What `usage` costs at `price`: summed first, rounded once, upwards."""
    of_input, of_output, of_cached, of_reasoning, of_request, _ = price
    read, cached, written, reasoned, _ = usage
    total = read * of_input + written * of_output + of_request
    if cached:
        total += cached * (of_input if of_cached is None else of_cached)
    if reasoned:
        total += reasoned * (of_output if of_reasoning is None else of_reasoning)
    charge = -(-total // UNITS_PER_PRICE)
    return min(charge, CHARGE_NANO_USD_MAX)


def nano_usd_per_million(usd_per_million: str | float | Decimal) -> int:
    """Read a price as people write it (`"0.10"` USD per million tokens) into whole nano-USD per million.

    Raises ValueError for anything that is not a finite amount between 0 and a million USD.
    """
    try:
        amount = Decimal(str(usd_per_million))
    except InvalidOperation:
        raise ValueError(f"{usd_per_million!r} is not an amount of USD") from None
    if isinstance(usd_per_million, bool) or not amount.is_finite() or amount < 0:
        raise ValueError(f"{usd_per_million!r} is not an amount of USD")
    nano = int((amount * NANO_USD_PER_USD).to_integral_value(rounding=ROUND_CEILING))
    if nano > PRICE_NANO_USD_MAX:
        raise ValueError(f"{usd_per_million!r} USD per million tokens is above the limit of 1,000,000")
    return nano


def nano_usd(usd: str | float | Decimal) -> int:
    """Read an amount of USD, such as `"12.50"`, exactly.

    Raises ValueError for anything that is not a whole number of nano-USD within a billion USD.
    """
    try:
        amount = Decimal(str(usd)) * NANO_USD_PER_USD
    except InvalidOperation:
        raise ValueError(f"{usd!r} is not an amount of USD") from None
    if isinstance(usd, bool) or not amount.is_finite() or amount != int(amount):
        raise ValueError(f"{usd!r} is not an amount of USD with at most nine decimals")
    if abs(amount) > AMOUNT_NANO_USD_MAX:
        raise ValueError(f"{usd!r} USD is more than 1,000,000,000")
    return int(amount)


def exact_usd(nano_usd: int) -> str:
    """Nano-USD to the last digit, and at least two decimals: `$0.0000352`, `$12.40`, `-$1,250.00`."""
    whole, parts = divmod(abs(nano_usd), NANO_USD_PER_USD)
    return f"{'-' if nano_usd < 0 else ''}${whole:,}.{f'{parts:09d}'.rstrip('0').ljust(2, '0')}"


@lru_cache(maxsize=65_536)  # a catalogue of 80,000 rows has a few thousand different prices
def dated_price(price: Price, as_of: str) -> Price:
    """A price with its version: the day it was known, and a hash of its figures."""
    figures = " ".join(map(str, price[:-1]))
    return price._replace(version=f"{as_of}-{sha256(figures.encode()).hexdigest()[:10]}")
