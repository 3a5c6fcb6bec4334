"""Rows back into waybills as people read them: the JSON of `router.md`."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from waypost.domain.requests import COUNT_BITS, WRITER_BITS, request_id
from waypost.store.rows import DELIVERY_UNKNOWN, ESTIMATED, EXPLORED, OPEN, OUTCOMES, OWN_KEY, SERVED, STREAM

OUTCOME_WORDS: Final = {number: str(outcome) for outcome, number in OUTCOMES.items()}
TRAIL_FIELDS: Final = ("asked", "plan", "attempts", "why", "fix", "request_body", "reply_body", "subjects")
"""In the order in which `rows` packs them; new ones are added at the end, here and in the other lists."""
ATTEMPT_FIELDS: Final = (
    "provider",
    "endpoint_model",
    "status",
    "code",
    "connect_ms",
    "first_word_ms",
    "ms",
    "upstream_request_id",
    "why",
    "repeats",
)
EXCLUSION_FIELDS: Final = ("provider", "reason", "why", "until", "fix")

_unpack = msgspec.msgpack.Decoder().decode


def iso(ms: int) -> str:
    """Unix milliseconds as `2026-11-20T08:15:30.123Z`."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def at_ms(number: int) -> int:
    """The Unix milliseconds inside a request number."""
    return number >> (WRITER_BITS + COUNT_BITS)


def waybill_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A waybill from a `calls` row whose names are words again (`user`, `token`, `payer`, `model`, …)."""
    trail = _fields(TRAIL_FIELDS, _unpack(row["trail"]))
    number, flags = row["id"], row["flags"]
    payer_type, _, payer = (row["payer"] or "").partition(" ")
    bill: dict[str, Any] = {
        "id": request_id(number),
        "at": iso(at_ms(number)),
        "caller": {"user": row["user"], "token": row["token"], "session_tag": row["session"]},
        "payer": {"type": payer_type, "name": payer} if payer else None,
        "bill_to": payer if payer_type == "organisation" else None,
        "model": row["model"],
        "asked": trail["asked"] or row["model"],
        "policy": row["policy"],
        "stream": bool(flags & STREAM),
        "outcome": "open" if row["state"] == OPEN else OUTCOME_WORDS[row["outcome"]],
        "status": row["status"],
        "code": row["code"],
        "why": trail["why"],
        "fix": trail["fix"],
        "plan": _plan_json(trail["plan"], explored=bool(flags & EXPLORED)),
        "attempts": [_attempt_json(attempt) for attempt in trail["attempts"]],
        "served_by": row["provider"] if flags & SERVED else None,
        "usage": _usage_json(row),
        "hold_nano_usd": row["hold_nano_usd"],
        "charge_nano_usd": row["charge_nano_usd"],
        "overrun_nano_usd": row["overrun_nano_usd"],
        "reported_nano_usd": row["reported_nano_usd"],
        "own_key": bool(flags & OWN_KEY),
        "price_version": row["price_version"],
        "timing": _timing_json(row),
        "delivery_unknown": bool(flags & DELIVERY_UNKNOWN),
    }
    for name in ("request_body", "reply_body"):
        if trail[name] is not None:
            bill[name] = _body_text(trail[name])
    return bill


def stranger_json(number: int, status: int, code: str | None, trail: bytes) -> dict[str, Any]:
    """What is known of a refused unknown caller."""
    looked_like, asked, why, fix, ms = _unpack(trail)
    return {
        "id": request_id(number),
        "at": iso(at_ms(number)),
        "stranger": looked_like,
        "asked": asked,
        "outcome": "refused",
        "status": status,
        "code": code,
        "why": why,
        "fix": fix,
        "timing": {"ms": ms},
    }


def _fields(names: tuple[str, ...], values: list[Any]) -> dict[str, Any]:
    """Values by name. Trails are never rewritten: what an older version did not write yet is None."""
    return dict.fromkeys(names) | dict(zip(names, values, strict=False))


def _attempt_json(values: list[Any]) -> dict[str, Any]:
    """Its times to the microsecond, as all others are: the clock's further digits say nothing."""
    attempt = _fields(ATTEMPT_FIELDS, values)
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in attempt.items()}


def _plan_json(plan: Any, *, explored: bool) -> dict[str, Any] | None:
    if plan is None:
        return None
    order, excluded = _unpack(zlib.decompress(plan)) if isinstance(plan, bytes) else plan
    return {
        "order": [provider for provider, _ in order],
        "why": {provider: why for provider, why in order},  # noqa: C416 (pairs come as lists)
        "excluded": [_fields(EXCLUSION_FIELDS, one) for one in excluded],
        "explored": explored,
    }


def _usage_json(row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["input"] is None or row["state"] == OPEN:
        return None
    return {
        "input": row["input"],
        "cached_input": row["cached_input"],
        "output": row["output"],
        "reasoning": row["reasoning"],
        "estimated": bool(row["flags"] & ESTIMATED),
    }


def _timing_json(row: Mapping[str, Any]) -> dict[str, Any]:
    first_word, total = row["first_word_us"], row["total_us"]
    speed = None
    if first_word is not None and row["output"] is not None and total > first_word:
        speed = round((row["output"] + row["reasoning"]) * 1_000_000 / (total - first_word), 1)
    return {
        "gateway_ms": row["gateway_us"] / 1000,
        "first_word_ms": None if first_word is None else first_word / 1000,
        "ms": total / 1000,
        "output_tokens_per_s": speed,
    }


def _body_text(body: tuple[bool, bytes]) -> str:
    zipped, data = body
    return (zlib.decompress(data) if zipped else data).decode("utf-8", "replace")
