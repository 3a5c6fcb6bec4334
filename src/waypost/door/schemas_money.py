"""Field tables of credits, usage and organisations. See `schemas.py`."""

from __future__ import annotations

from typing import Final

from waypost.domain.payers import ROLES
from waypost.door.schemas import COUNT, FLAG, NUMBER, TEXT, TEXTS, TIME, WHOLE, Schema, listing, named, or_null, thing

AMOUNT: Final[Schema] = WHOLE | {"description": "Nano-USD."}
_payer = thing({"type": {"enum": ["user", "organisation"]}, "name": TEXT})
_limit = or_null(COUNT | {"description": "Nano-USD a UTC month; null is no limit."})
_role: Schema = {"enum": list(ROLES)}
_sums = {
    **dict.fromkeys(("requests", "failed", "unpriced", "own_key", "estimated"), COUNT),
    **dict.fromkeys(("input", "cached_input", "output", "reasoning"), COUNT),
    **dict.fromkeys(("charge_nano_usd", "overrun_nano_usd"), COUNT),
}
_transfer = thing(
    {"id": WHOLE, "at": TIME, "kind": TEXT, "amount_nano_usd": AMOUNT},
    {"outside_id": TEXT, "request": TEXT, "about": WHOLE, "note": TEXT, "expires_at": TIME},
)
_lot = thing({"id": WHOLE, "kind": TEXT, "note": TEXT, "remaining_nano_usd": COUNT, "expires_at": TIME})
_rules = {
    "models": or_null(TEXTS),
    "disabled_models": TEXTS,
    "providers": or_null(TEXTS),
    "billers": _role | {"description": "The least role whose members may bill to it."},
    "price_demanded": FLAG,
    "keys_then_credits": FLAG,
}
_limits = {"spending_limit_nano_usd": _limit, "member_spending_limit_nano_usd": _limit, "included_nano_usd": _limit}
_changes = {"fullname": TEXT, **_limits, "rules": thing({}, _rules, additionalProperties=False)}

MONEY_SCHEMAS: Final[dict[str, Schema]] = {
    "Usage": thing(
        {
            "payer": _payer,
            "usage": thing(
                {
                    "inferenceProviders": thing(
                        {
                            **dict.fromkeys(("usedNanoUsd", "includedNanoUsd", "numRequests"), COUNT),
                            "periodStart": TIME,
                            "periodEnd": TIME,
                        },
                        {"limitNanoUsd": COUNT},
                    )
                }
            ),
            "total": thing(_sums),
        },
        {"by": TEXTS, "groups": {"type": "array", "items": thing(_sums)}},
        description="With `by=request`: a list of calls. As CSV where that is asked for.",
    ),
    "UsageBySession": thing(
        {
            "currency": {"const": "USD"},
            "periods": {
                "type": "array",
                "items": thing(
                    {
                        "periodStart": TIME,
                        "periodEnd": TIME,
                        "sessions": {
                            "type": "array",
                            "items": thing(
                                {"id": TEXT, "costCents": NUMBER, "costNanoUsd": COUNT, "requestCount": COUNT}
                            ),
                        },
                    }
                ),
            },
        }
    ),
    "Credits": thing(
        {
            "payer": _payer,
            "account": TEXT,
            "balance_nano_usd": AMOUNT,
            "held_nano_usd": COUNT,
            "free_nano_usd": AMOUNT,
            "floor_nano_usd": AMOUNT,
            "included_nano_usd": COUNT,
            "included_left_nano_usd": COUNT,
            "lots": {"type": "array", "items": _lot},
            "transfers": thing({"data": {"type": "array", "items": _transfer}, "has_more": FLAG}, {"next": WHOLE}),
        }
    ),
    "Movement": thing(
        {
            "account": TEXT,
            "balance_nano_usd": AMOUNT,
            "floor_nano_usd": AMOUNT,
            "transfer": or_null(_transfer),
            "again": FLAG | {"description": "It had been done before under this outside id; nothing moved now."},
        }
    ),
    "NewCredits": thing(
        {"amount_nano_usd": WHOLE | {"minimum": 1}},
        {
            "kind": {"enum": ["grant", "topup"]},
            "outside_id": or_null(TEXT | {"description": "The same twice is once. A top-up needs one."}),
            "note": TEXT,
            "expires_at": or_null(TIME),
        },
        additionalProperties=False,
    ),
    "Payment": thing(
        {"id": TEXT, "payer": TEXT | {"description": "A user's or organisation's name."}},
        {
            "amount_nano_usd": or_null(WHOLE | {"minimum": 1}),
            "amount_usd": or_null(TEXT | {"examples": ["12.50"]}),
            "note": TEXT,
        },
        additionalProperties=False,
        description="Signed: `Waypost-Signature: t=<Unix seconds>,v1=<HMAC-SHA-256 of `t.body` in hexadecimal>`.",
    ),
    "Member": thing({"user": TEXT, "role": _role, "spending_limit_nano_usd": _limit, "added_at": TIME}),
    "MemberChange": thing({}, {"role": _role, "spending_limit_nano_usd": _limit}, additionalProperties=False),
    "Organisation": thing(
        {"id": WHOLE, "name": TEXT, "fullname": TEXT, "role": or_null(_role), "created_at": TIME, **_limits},
        {
            "rules": thing(_rules),
            "members": {
                "type": "array",
                "items": named("Member"),
                "description": "All of them to admins and operators; to others, themselves.",
            },
        },
    ),
    "OrganisationList": listing(
        thing({"id": WHOLE, "name": TEXT, "fullname": TEXT, "role": or_null(_role)}),
    ),
    "OrganisationChange": thing({}, _changes, additionalProperties=False),
    "NewOrganisation": thing(
        {"name": TEXT},
        {"admin": or_null(TEXT | {"description": "Its first admin."}), **_changes},
        additionalProperties=False,
    ),
}
