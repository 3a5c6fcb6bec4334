"""Refusals and warnings about money, as callers are told. Pure.

Amounts are shown in USD with every digit that counts, because a price is often a few nano-USD.
"""

from __future__ import annotations

from typing import Final

from waypost.domain.ledger import next_period
from waypost.domain.money import exact_usd as usd
from waypost.domain.payers import ORGANISATION, Payer, SpendingLimit
from waypost.domain.problems import Refusal

WARNING_TOPIC: Final = "credits"
"""Hugging Face's clients show a warning once for each topic."""


def credits_exhausted(payer: Payer, needed: int, free: int, fits: int) -> Refusal:
    """The payer's free credits do not cover what the call may cost. `fits` is the longest answer that would."""
    return Refusal(
        "credits_exhausted",
        f"{_title(payer)} has {usd(free)} of free credits, and this call may cost {usd(needed)}.",
        why=f"{usd(needed)} is held for the prompt and the longest answer at the dearest provider planned;"
        " what is not used comes back at once",
        fix=_fix(payer, fits),
        extra=_evidence(payer, needed, free, fits),
    )


def spending_limit_reached(
    payer: Payer, limit: SpendingLimit, needed: int, left: int, period: int, fits: int
) -> Refusal:
    """A monthly limit is used up, or nearly. `fits` is the longest answer that it leaves room for."""
    shorter = f"Ask for max_tokens of at most {fits}" if fits > 0 else "Ask for a cheaper model"
    until = _month_begins(next_period(period))
    return Refusal(
        "spending_limit_reached",
        f"The monthly spending limit of {limit.shown} leaves {usd(left)}, and this call may cost {usd(needed)}.",
        why=f"the limit is {usd(limit.nano_usd)} a month, and it begins anew on {until}",
        fix=f"{shorter}, or have the limit raised.",
        extra={
            **_evidence(payer, needed, left, fits),
            "limit": {"of": limit.shown, "nano_usd": limit.nano_usd, "until": f"{until}T00:00:00Z"},
        },
    )


def low_balance(payer: Payer, left: int) -> str:
    """The value of `X-HF-Warning`."""
    return f"{WARNING_TOPIC}; {_title(payer)} has {usd(left)} of credits left."


def _title(payer: Payer) -> str:
    return f"{payer.type.capitalize()} {payer.name}"


def _fix(payer: Payer, fits: int) -> str:
    grant = f"`waypost credits grant {payer.name} 10`"
    more = f"have credits added ({grant})"
    if payer.type != ORGANISATION:
        more += ", or name an organisation that pays in X-HF-Bill-To"
    return f"Ask for max_tokens of at most {fits}, or {more}." if fits > 0 else f"{more[0].upper()}{more[1:]}."


def _evidence(payer: Payer, needed: int, free: int, fits: int) -> dict[str, object]:
    return {
        "payer": {"type": payer.type, "name": payer.name},
        "needed_nano_usd": needed,
        "free_nano_usd": free,
        "max_tokens_affordable": max(0, fits),
    }


def _month_begins(period: int) -> str:
    return f"{period // 100}-{period % 100:02d}-01"
