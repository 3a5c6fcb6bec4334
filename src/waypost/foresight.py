"""The journey's questions, asked without calling anybody: what a call would do, and what it would be refused for."""

from __future__ import annotations

import asyncio
from typing import Any

from waypost.domain.chat import ChatRequest
from waypost.domain.money import cost_nano_usd
from waypost.domain.payers import Payer
from waypost.domain.plans import Plan
from waypost.domain.problems import Refusal
from waypost.journey import Asked, House
from waypost.ledger.unpaid import unpaid
from waypost.providers.metering import estimate


async def explain(asked: Asked, house: House) -> dict[str, Any]:
    """The same questions as `chat`, asked without calling anybody. What would be held is held for a moment.

    Returns what there is to say beside the waybill: `would_succeed`, `refused_by`, `fix`, `predicted_nano_usd`.
    Raises Refusal only for callers we cannot identify.
    """
    bill = asked.bill
    caller = bill.caller = house.identity.who(asked.credential())
    try:
        ask = bill.request = asked.read()
        payer = bill.payer = house.identity.payer(caller, ask.bill_to)
        plan = bill.plan = house.planner.plan(ask, caller, payer)
        if not plan.order:
            raise house.planner.refusal(plan, ask)
        try:
            bill.hold_nano_usd = await _would_hold(house, plan, ask, payer, bill.at_ms)
        except Refusal as refusal:
            plan = bill.plan = unpaid(plan, refusal)
    except Refusal as refusal:
        return {"would_succeed": False, "refused_by": _refused_by(refusal), "fix": refusal.fix or None}
    return {"would_succeed": True, "refused_by": None, "fix": None, "predicted_nano_usd": _predicted(plan, ask)}


async def _would_hold(house: House, plan: Plan, ask: ChatRequest, payer: Payer, at_ms: int) -> int:
    hold = house.book.hold(plan, ask, payer, at_ms)
    if asyncio.iscoroutine(hold):
        hold = await hold
    if hold is None:
        return 0
    hold.void()
    return hold.amount


def _refused_by(refusal: Refusal) -> dict[str, Any]:
    shown = {"code": refusal.code, "status": refusal.status, "message": refusal.message, "why": refusal.why}
    return {**shown, "param": refusal.param} if refusal.param else shown


def _predicted(plan: Plan, ask: ChatRequest) -> int | None:
    """Expected charge at the first endpoint; None where credits do not pay it."""
    first = plan.order[0]
    price = first.endpoint.price
    if price is None or first.own_key is not None:
        return None
    return cost_nano_usd(price, estimate(ask, ask.output_tokens_expected))
