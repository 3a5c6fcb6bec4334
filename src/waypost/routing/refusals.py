"""What a caller is told when no plan can be made, or a plan has nobody in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from waypost.domain.chat import ChatRequest
from waypost.domain.endpoints import Model
from waypost.domain.plans import Exclusion, Plan
from waypost.domain.problems import Refusal
from waypost.routing import own_keys
from waypost.routing.nearest import nearest_word
from waypost.routing.needs import RULES, WAITING_HELPS
from waypost.routing.policies import POLICIES

SHOWN_MAX: Final = 8
ASKED_CHARACTERS_MAX: Final = 120
DEPTH: Final = {rule.reason: depth for depth, rule in enumerate((*RULES, *own_keys.RULES))}
"""How far an endpoint came before this reason stopped it: the further, the less is missing."""


def model_not_found(asked: str, nearest: list[str], provider: str | None = None) -> Refusal:
    """No model of that id; at a provider, where the path pins one."""
    where = f" at {provider}" if provider else ""
    meant = f" Did you mean {_either(nearest)}?" if nearest else ""
    return Refusal(
        "model_not_found",
        f"The requested model '{asked[:ASKED_CHARACTERS_MAX]}' does not exist{where}.{meant}",
        why="no model of this catalogue has that id" + (", nor has the provider" if provider else ""),
        fix=f"Use {nearest[0]}." if nearest else "Take an id from GET /v1/models.",
        param="model",
        extra={"model": asked[:ASKED_CHARACTERS_MAX], **_pinned(provider), "nearest": nearest},
    )


def unknown_policy(tag: str, model: Model, source: str = "", fix: str = "") -> Refusal:
    """The tag is neither a policy nor a provider that we know; `source` says where it stood, if not in the request."""
    valid = [*POLICIES, *(endpoint.provider for endpoint in model.endpoints)]
    near = nearest_word(tag, valid)
    meant = f" Did you mean '{near}'?" if near else ""
    return Refusal(
        "unknown_policy",
        f"'{tag[:ASKED_CHARACTERS_MAX]}'{source} is neither a policy nor a provider of {model.id}.{meant}",
        why=f"valid are {', '.join(valid)}",
        fix=fix or f"Use {model.id}:{near or 'fastest'}.",
        param="model",
        extra={"valid": valid, "nearest": near},
    )


def nobody_left(plan: Plan, ask: ChatRequest, now_ms: int) -> Refusal:
    """The plan has nobody in it: say whether waiting helps, else what each endpoint lacks."""
    reasons = {exclusion.reason for exclusion in plan.excluded}
    extra = {"excluded": [_shown(exclusion) for exclusion in plan.excluded]}
    if reasons & WAITING_HELPS:
        return _busy(plan, extra, now_ms)
    if own_keys.REFUSED.reason in reasons:
        return _own_key_refused(plan, extra)
    if "key_refused" in reasons:
        return _key_refused(plan, extra)
    if "context_too_long" in reasons:
        return _too_long(plan, extra)
    return _not_supported(plan, ask, extra)


def _busy(plan: Plan, extra: dict[str, Any], now_ms: int) -> Refusal:
    waiting = [exclusion for exclusion in plan.excluded if exclusion.reason in WAITING_HELPS]
    wait = min(_seconds_until(exclusion.until, now_ms) for exclusion in waiting)
    return Refusal(
        "providers_busy",
        f"Every provider that could serve {plan.model} rests; the first is back in {wait} s.",
        why=_told(waiting),
        fix=f"Wait {wait} s and send the request again, or ask for another model.",
        retry_after_seconds=wait,
        extra=extra,
    )


def _key_refused(plan: Plan, extra: dict[str, Any]) -> Refusal:
    return Refusal(
        "provider_refused_key",
        f"Every provider that could serve {plan.model} refuses this router's key.",
        why=_told(exclusion for exclusion in plan.excluded if exclusion.reason == "key_refused"),
        fix="Your token is fine. The operator must mend the key; waypost providers shows which.",
        extra=extra,
    )


def _own_key_refused(plan: Plan, extra: dict[str, Any]) -> Refusal:
    refused = [exclusion for exclusion in plan.excluded if exclusion.reason == own_keys.REFUSED.reason]
    return Refusal(
        "own_key_refused",
        f"The provider of {plan.model} refuses the payer's own key.",
        why=_told(refused),
        fix=refused[0].fix,
        extra={"provider": refused[0].provider, **extra},
    )


def _too_long(plan: Plan, extra: dict[str, Any]) -> Refusal:
    too_long = [exclusion for exclusion in plan.excluded if exclusion.reason == "context_too_long"]
    return Refusal(
        "context_too_long",
        f"The request is too long for every provider of {plan.model} that could serve it.",
        why=_told(too_long),
        fix=too_long[0].fix,
        param="messages",
        extra=extra,
    )


def _not_supported(plan: Plan, ask: ChatRequest, extra: dict[str, Any]) -> Refusal:
    nearest = max(plan.excluded, key=lambda exclusion: DEPTH.get(exclusion.reason, -1), default=None)
    told = _told(plan.excluded) or f"no provider runs {plan.model}"
    return Refusal(
        "model_not_supported",
        f"The requested model '{ask.asked[:ASKED_CHARACTERS_MAX]}' cannot be served by any provider: {told}",
        why=told,
        fix=nearest.fix if nearest else "Ask for another model; GET /v1/models lists them.",
        param="model",
        extra={"model": ask.asked[:ASKED_CHARACTERS_MAX], **_pinned(ask.pinned), **extra},
    )


def _pinned(provider: str | None) -> dict[str, str]:
    """The provider of the path, where one is pinned: Hugging Face says such refusals in other words."""
    return {"pinned": provider} if provider else {}


def _told(excluded: Iterable[Exclusion]) -> str:
    every = [_one_told(exclusion) for exclusion in excluded]
    more = f" (and {len(every) - SHOWN_MAX} more)" if len(every) > SHOWN_MAX else ""
    return " ".join(every[:SHOWN_MAX]) + more


def _one_told(exclusion: Exclusion) -> str:
    """Its reason, with the provider before it where the reason does not name it."""
    named = re.search(rf"(?<![\w./-]){re.escape(exclusion.provider)}(?![\w/-])", exclusion.why)
    return exclusion.why if named else f"{exclusion.provider}: {exclusion.why}"


def _shown(exclusion: Exclusion) -> dict[str, Any]:
    return {name: value for name, value in exclusion._asdict().items() if value is not None}


def _seconds_until(until: str | None, now_ms: int) -> int:
    if until is None:
        return 1
    return max(1, -(-(round(datetime.fromisoformat(until).timestamp() * 1000) - now_ms) // 1000))


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
