"""A little oracle of money, written from `ledger.md` alone, with fractions and whole numbers.

It shares nothing with what it checks: neither the ledger's code nor the rules of rounding.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

MILLION = 10**6
CHARGE_MAX = 10_000 * 10**9
NO_END = math.inf


class Rate(NamedTuple):
    """Nano-USD for a million units of each class."""

    input: int
    output: int
    cached: int | None
    reasoning: int | None
    request: int


class Asked(NamedTuple):
    """What an endpoint makes of a request: its price, and its bounds."""

    rate: Rate
    image_tokens: int = 0
    context: int | None = None
    longest: int | None = None


class Words(NamedTuple):
    """A request: bytes of its prompt, images, the caller's cap, choices."""

    prompt_bytes: int
    images: int = 0
    max_tokens: int | None = None
    choices: int = 1


def cost(rate: Rate, fresh: int, cached: int = 0, written: int = 0, reasoned: int = 0) -> int:
    """Summed as fractions, rounded once, up; at most 10,000 USD."""
    of_cached = rate.input if rate.cached is None else rate.cached
    of_reasoned = rate.output if rate.reasoning is None else rate.reasoning
    exact = sum(
        Fraction(units * price, MILLION)
        for units, price in ((fresh, rate.input), (cached, of_cached), (written, rate.output), (reasoned, of_reasoned))
    ) + Fraction(rate.request, MILLION)
    return min(math.ceil(exact), CHARGE_MAX)


def split(prompt: int, completion: int, cached: int, reasoning: int) -> tuple[int, int, int, int]:
    """A provider's count in disjoint classes."""
    return prompt - cached, cached, completion - reasoning, reasoning


def ceiling(one: Asked, words: Words, output: float) -> int:
    """The most that an answer of so many tokens a choice can cost at this endpoint."""
    room = NO_END if one.context is None else one.context
    read = min(words.prompt_bytes + words.images * one.image_tokens, room)
    written = min(output, NO_END if one.longest is None else one.longest, room) * words.choices
    dear_in = max(one.rate.input, one.rate.cached or 0)
    dear_out = max(one.rate.output, one.rate.reasoning or 0)
    exact = Fraction(int(read) * dear_in + int(written) * dear_out + one.rate.request, MILLION)
    return min(math.ceil(exact), CHARGE_MAX)


def cap(endpoints: Sequence[Asked], words: Words, free: int) -> int:
    """How long an answer gets that nobody capped: the model's maximum, 16,384, a quarter of what is free; at least 256.

    Found by halving, not by solving.
    """
    longest = max(min(one.longest or NO_END, one.context or NO_END) for one in endpoints)
    most = int(min(longest, 16_384))
    quarter = max(0, free) // 4

    def bought(length: int) -> bool:
        return all(_exact(one, words, length) <= quarter for one in endpoints)

    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if bought(middle) else (low, middle - 1)
    return max(256, low)


def _exact(one: Asked, words: Words, output: int) -> Fraction:
    room = NO_END if one.context is None else one.context
    read = int(min(words.prompt_bytes + words.images * one.image_tokens, room))
    written = int(min(output, one.longest or NO_END, room)) * words.choices
    dear = read * max(one.rate.input, one.rate.cached or 0) + written * max(one.rate.output, one.rate.reasoning or 0)
    return Fraction(dear + one.rate.request, MILLION)


class Lot:
    """Credits that end."""

    def __init__(self, left: int, ends: int) -> None:
        self.left = left
        self.ends = ends


class Abacus:
    """Everybody's balance, debts, lots and spending. A charge, a transfer or a hold is one plain movement."""

    def __init__(self) -> None:
        self.posted: Counter[str] = Counter()
        self.floors: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.spent: Counter[tuple[str, int]] = Counter()
        self.reserved: Counter[tuple[str, int]] = Counter()
        """What open holds keep of monthly limits."""
        self.lots: dict[str, list[Lot]] = {}

    def free(self, account: str) -> int:
        return self.posted[account] - self.held[account] - self.floors[account]

    def left(self, subject: str, period: int, limit: int) -> int:
        return limit - self.spent[subject, period] - self.reserved[subject, period]

    def hold(self, account: str, subjects: Sequence[str], period: int, amount: int) -> None:
        self.held[account] += amount
        for subject in subjects:
            self.reserved[subject, period] += amount

    def release(self, account: str, subjects: Sequence[str], period: int, amount: int) -> None:
        self.hold(account, subjects, period, -amount)

    def charge(self, payer: str, subjects: Sequence[str], period: int, provider: str, amounts: tuple[int, int]) -> None:
        """The payer pays, the provider is paid, and what is above the hold is the operator's."""
        charge, overrun = amounts
        self.posted[payer] -= charge
        self.posted[f"provider:{provider}"] += charge + overrun
        self.posted["overrun"] -= overrun
        for subject in subjects:
            self.spent[subject, period] += charge
        self._use_lots(payer, charge)

    def transfer(self, debit: str, credit: str, amount: int) -> None:
        self.posted[debit] -= amount
        self.posted[credit] += amount

    def come(self, source: str, account: str, amount: int, ends: int | None = None) -> None:
        """Credits come to a payer, for good or until they end."""
        self.transfer(source, account, amount)
        if ends is not None:
            self.lots.setdefault(account, []).append(Lot(amount, ends))
        self._cut_lots(account)

    def go(self, account: str, sink: str, amount: int) -> None:
        """Credits are taken from a payer: what is not free of them is the operator's overrun."""
        taken = max(0, min(amount, self.free(account)))
        self.transfer(account, sink, amount)
        if amount > taken:
            self.transfer("overrun", account, amount - taken)
        self._cut_lots(account)

    def end_lot(self, account: str, lot: Lot) -> None:
        """What has ended goes back, as far as it is free."""
        amount = max(0, min(lot.left, self.free(account)))
        lot.left -= amount
        self.transfer(account, "granted", amount)
        self._cut_lots(account)

    def remaining(self, account: str) -> list[tuple[int, int]]:
        """End and rest of the lots that something is left of."""
        return sorted((lot.ends, lot.left) for lot in self.lots.get(account, ()) if lot.left)

    def _use_lots(self, account: str, amount: int) -> None:
        for lot in sorted(self.lots.get(account, ()), key=lambda lot: lot.ends):
            share = min(amount, lot.left)
            lot.left -= share
            amount -= share

    def _cut_lots(self, account: str) -> None:
        """Lots are part of the balance."""
        lots = self.lots.get(account, ())
        too_much = sum(lot.left for lot in lots) - max(0, self.posted[account])
        if too_much > 0:
            self._use_lots(account, too_much)
