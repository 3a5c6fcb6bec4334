"""Ledgers with one guard each taken away, to see that the test of every operation would notice."""

from __future__ import annotations

from typing import Any

from ledger_world import World
from unguarded import Unguarded

from waypost.domain.ledger import VOID, HoldState, Settlement
from waypost.domain.money import cost_nano_usd
from waypost.ledger.book import came_to
from waypost.ledger.settlement import Ended, settlement
from waypost.store.counters import Counters


class Forgetful(Counters):
    """What is given back never comes."""

    def give(self, counter: Any, amount: int) -> None:
        """Forgotten."""


class Absent(Counters):
    """What commands did to accounts is not followed."""

    def moved(self, key: str, amount: int, **_: Any) -> None:
        """Not heard."""


class Careless(Counters):
    """Floors are not heard of."""

    def allowed(self, key: str, limit: int) -> None:
        """Not heard."""


class NobodyIsRefused(World):
    make_counters = Unguarded


class HoldsStay(World):
    make_counters = Forgetful


class TransfersDoNotCount(World):
    make_counters = Absent


class FloorsDoNotCount(World):
    make_counters = Careless


class ChargesPassTheHold(World):
    @staticmethod
    def settle(hold: Any, ended: Ended, price: Any, counted: Any, delivered: Any) -> Settlement:
        came = came_to(hold, ended, price, counted, delivered)
        return came._replace(charge=came.charge + came.overrun, overrun=0)


class OverrunsAreForgotten(World):
    @staticmethod
    def settle(hold: Any, ended: Ended, price: Any, counted: Any, delivered: Any) -> Settlement:
        return came_to(hold, ended, price, counted, delivered)._replace(overrun=0)


class LeavingIsFree(World):
    @staticmethod
    def settle(hold: Any, ended: Ended, price: Any, counted: Any, delivered: Any) -> Settlement:
        return VOID if ended is Ended.GONE else came_to(hold, ended, price, counted, delivered)


class BrokenCostsAGuess(World):
    @staticmethod
    def settle(hold: Any, ended: Ended, price: Any, counted: Any, delivered: Any) -> Settlement:
        return came_to(hold, Ended.DONE if ended is Ended.BROKEN else ended, price, counted, delivered)


class NothingIsRoundedUp(World):
    @staticmethod
    def settle(hold: Any, ended: Ended, price: Any, counted: Any, delivered: Any) -> Settlement:
        came = came_to(hold, ended, price, counted, delivered)
        usage = came.usage
        if came.state is not HoldState.SETTLED or usage is None or came.overrun:
            return came
        exact = cost_nano_usd(price._replace(request=price.request - 999_999), usage)
        return came._replace(charge=min(exact, hold.amount))


class AnotherPrice(World):
    @staticmethod
    def settle(hold: Any, ended: Ended, price: Any, counted: Any, delivered: Any) -> Settlement:
        return settlement(ended, hold.amount, price._replace(output=price.output + 1_000_000), counted, delivered)


MUTANTS = [
    NobodyIsRefused,
    HoldsStay,
    TransfersDoNotCount,
    FloorsDoNotCount,
    ChargesPassTheHold,
    OverrunsAreForgotten,
    LeavingIsFree,
    BrokenCostsAGuess,
    NothingIsRoundedUp,
    AnotherPrice,
]
