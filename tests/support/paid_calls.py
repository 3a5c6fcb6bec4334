"""Calls that credits pay for, as the journey makes them, and what must always be true of the books."""

from __future__ import annotations

from typing import Any

from sample_bills import Bills, sample_caller, sample_payer, sample_request

from waypost.domain.endpoints import Deadlines, Endpoint, Provider
from waypost.domain.ledger import HoldState, Settlement, period_of
from waypost.domain.money import Price
from waypost.domain.payers import Payer
from waypost.domain.plans import Candidate, Plan
from waypost.domain.waybill import Waybill
from waypost.ledger.book import Hold, counters_of
from waypost.store.books import STANDING, Books, Counter
from waypost.store.clock import unix_ms
from waypost.store.sql import Sql

PRICE = Price(1_000_000, 2_000_000, version="2026-11-21-paid")
"""One nano-USD for a token read, two for a token written."""
CREDITS = Counter("credits:user:1", 0, STANDING)
BROKEN = {
    "accounts come to nothing together": "SELECT sum(posted) FROM accounts HAVING sum(posted) <> 0",
    "an account is what its entries come to": """
      SELECT a.name, a.posted FROM accounts a
      WHERE a.posted <> coalesce((SELECT sum(amount) FROM entries WHERE credit = a.id), 0)
        - coalesce((SELECT sum(amount) FROM entries WHERE debit = a.id), 0)
    """,
    "a charge is within its hold": "SELECT id FROM calls WHERE state = 1 AND charge_nano_usd > hold_nano_usd",
    "nobody is below the floor": "SELECT name FROM accounts WHERE name LIKE 'user:%' AND posted < floor",
    "what is void or open cost nothing": "SELECT id FROM calls WHERE state <> 1 AND charge_nano_usd > 0",
    "a charge has a payer and a provider": """
      SELECT id FROM calls WHERE state = 1 AND charge_nano_usd > 0 AND (account IS NULL OR provider_account IS NULL)
    """,
}
OPEN = "SELECT count(*) FROM calls WHERE state = 0"


def broken(sql: Sql) -> list[str]:
    """What is not true of the books."""
    return [what for what, statement in BROKEN.items() if sql.rows(statement)]


def balances(sql: Sql) -> dict[str, int]:
    """Accounts on which something stands."""
    return {name: posted for name, posted in sql.rows("SELECT name, posted FROM accounts") if posted}


def plan() -> Plan:
    endpoint = Endpoint("acme/one", "alpha", "one-at-alpha", PRICE)
    return Plan("acme/one", "fastest", (Candidate(endpoint, Provider("alpha", "http://x"), "first"),), (), Deadlines())


async def ada(books: Books, amount: int) -> None:
    """User 1, with credits."""
    await books.run("user.create", {"name": "ada"})
    await books.run("credits.grant", {"account": "user:1", "amount": amount})


async def take(books: Books, counter: Counter, amount: int) -> bool:
    verdict = books.try_take(counter, amount) or await books.take(counter, amount)
    return verdict.granted


async def hold_of(books: Books, amount: int, payer: Payer | None = None) -> Hold | None:
    """Set aside so much of every counter that applies; None where one refuses."""
    payer = payer or sample_payer()
    period = period_of(unix_ms())
    hold = Hold(books, payer, period, counters_of(payer, period))
    for place, counter in enumerate(hold.counters):
        if not await take(books, counter, amount):
            for taken in hold.counters[:place]:
                books.give(taken, amount)
            return None
    hold.amount = hold.taken = amount
    return hold


def bill_of(bills: Bills, hold: Hold, **facts: Any) -> Waybill:
    """A call that has gone out under this hold."""
    request = sample_request(**{"stream": False, **facts})
    return bills.bare(
        caller=sample_caller(), payer=hold.payer, asked=request.asked, request=request, plan=plan(), hold=hold
    )


def end(bill: Waybill, charge: int, overrun: int = 0) -> Waybill:
    """The answer has come to its end, and to this."""
    done = Bills().bill()
    for name in ("outcome", "status", "served_by", "usage", "ms"):
        setattr(bill, name, getattr(done, name))
    assert bill.hold is not None
    bill.hold.end(Settlement(HoldState.SETTLED, bill.usage, charge, overrun))
    bill.charge_nano_usd, bill.price_version = charge, PRICE.version
    return bill
