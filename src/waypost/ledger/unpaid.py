"""What is left of a plan when its payer cannot pay: those whom credits do not pay. Pure."""

from __future__ import annotations

from typing import Final

from waypost.domain.plans import Candidate, Exclusion, Plan
from waypost.domain.problems import Refusal

PAYMENT_REQUIRED: Final = 402


def unpaid(plan: Plan, refusal: Refusal) -> Plan:
    """The payer's own keys and endpoints without a price, in their order; all others are left out by this refusal.

    Raises the refusal itself where nobody is left.
    """
    order = tuple(candidate for candidate in plan.order if not _paid(candidate))
    if not order or refusal.status != PAYMENT_REQUIRED:
        raise refusal
    out = tuple(_left_out(candidate, refusal) for candidate in plan.order if _paid(candidate))
    return plan._replace(order=order, excluded=(*plan.excluded, *out))


def _paid(candidate: Candidate) -> bool:
    return candidate.own_key is None and candidate.endpoint.price is not None


def _left_out(candidate: Candidate, refusal: Refusal) -> Exclusion:
    return Exclusion(candidate.provider.slug, refusal.code, refusal.message, None, refusal.fix)
