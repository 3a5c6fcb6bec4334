"""POST /v1/explain: the same body as a conversation; nothing is called, and the answer says what would happen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from starlette.responses import Response

from waypost.domain.plans import Plan
from waypost.domain.problems import Refusal
from waypost.domain.waybill import Waybill
from waypost.door.cold import Ask, Handler, json_response


class House(Protocol):
    """Plans a call as the journey would, by the same code."""

    async def explain(self, body: bytes, headers: Mapping[bytes, bytes]) -> dict[str, Any]:
        """The waybill's JSON with `outcome` "explained", `would_succeed`, `refused_by`, `fix`, `predicted_nano_usd`.

        Raises Refusal only for callers nobody knows.
        """
        ...


class Explain:
    """Answers for the route."""

    def __init__(self, house: House) -> None:
        self._house = house

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {"explain": self.explain}

    async def explain(self, ask: Ask) -> Response:
        """What would be refused is an answer too, so its status is 200; but a body that is no conversation is none."""
        body = await ask.http.body()
        explained = await self._house.explain(body, dict(ask.http.headers.raw))
        refused = explained.get("refused_by")
        if refused and refused["code"] == "invalid_request":
            words = {name: refused.get(name) for name in ("why", "param")}
            raise Refusal("invalid_request", refused["message"], fix=explained["fix"] or "", **words)
        return json_response(explained, headers={"x-request-id": str(explained["id"])})


def explained(bill: Waybill, said: Mapping[str, Any]) -> dict[str, Any]:
    """A waybill's JSON for a call that nobody made, with what would have become of it."""
    caller, request, plan, payer = bill.caller, bill.request, bill.plan, bill.payer
    refused = said.get("refused_by")
    return {
        "id": bill.request_id,
        "at": datetime.fromtimestamp(bill.at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "caller": {
            "user": caller.user.name if caller else None,
            "token": caller.token.name if caller else None,
            "session_tag": request.session_tag if request else None,
        },
        "payer": {"type": payer.type, "name": payer.name} if payer else None,
        "bill_to": request.bill_to if request else None,
        "model": plan.model if plan else (request.model if request else None),
        "asked": bill.asked or None,
        "policy": plan.policy if plan else None,
        "stream": request.stream if request else None,
        "outcome": "explained",
        "status": refused["status"] if refused else 200,
        "code": refused["code"] if refused else None,
        "plan": _plan_json(plan) if plan else None,
        "attempts": [],
        "usage": None,
        "hold_nano_usd": bill.hold_nano_usd,
        "charge_nano_usd": 0,
        "price_version": _price_version(plan),
        **said,
    }


def _plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "order": [candidate.provider.slug for candidate in plan.order],
        "why": {candidate.provider.slug: candidate.why for candidate in plan.order},
        "excluded": [exclusion._asdict() for exclusion in plan.excluded],
        "explored": plan.explored,
    }


def _price_version(plan: Plan | None) -> str:
    price = plan.order[0].endpoint.price if plan is not None and plan.order else None
    return price.version if price is not None else ""
