"""The waybill: the record of one request. The one object that changes during a call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from waypost.domain.callers import Caller
from waypost.domain.chat import ChatRequest, Usage
from waypost.domain.ledger import HoldState, Settlement
from waypost.domain.payers import Payer
from waypost.domain.plans import Plan


class Outcome(StrEnum):
    """How a request ended."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    LEFT = "left"
    """The caller went away before the end."""


@dataclass(slots=True)
class Attempt:
    """One try at one endpoint."""

    provider: str
    endpoint_model: str
    status: int = 0
    """The provider's HTTP status; 0 where none came."""
    code: str | None = None
    """What went wrong, None when it served the call."""
    connect_ms: float | None = None
    """None on a pooled connection."""
    first_word_ms: float | None = None
    ms: float = 0.0
    upstream_request_id: str | None = None
    repeats: int = 0
    """1 when a pooled connection had died and the call was sent again on a fresh one."""
    why: str = ""
    """The provider's own words about a failure, at most 300 characters, secrets taken out."""


class Held(Protocol):
    """The credits set aside for a call, as whoever writes it down sees them: `ledger.book.Hold`."""

    @property
    def payer(self) -> Payer: ...
    @property
    def period(self) -> int:
        """The UTC month it belongs to."""

    @property
    def amount(self) -> int:
        """Nano-USD that the call may cost at most."""

    @property
    def taken(self) -> int:
        """Nano-USD that the payer lacks because of it: the amount, and at its end the charge."""

    @property
    def overrun(self) -> int:
        """Nano-USD above the amount, which the operator pays."""

    @property
    def state(self) -> HoldState: ...
    @property
    def warning(self) -> str:
        """What the caller is told of its credits; empty where there is nothing to tell."""

    def end(self, came_to: Settlement) -> None:
        """Give back everything but the charge."""

    def void(self) -> None:
        """Nothing is charged, even if it already was: what could not be written down never was."""


class Waybill:
    """Filled in along the way; `store` writes it once.

    Times are in milliseconds; `at_ms` is Unix time. Who may touch it: journey, courier, store. What a call has not
    come to stands on the class, so that a new waybill costs three assignments and not thirty.
    """

    caller: Caller | None = None
    asked: str = ""
    request: ChatRequest | None = None
    payer: Payer | None = None
    """None where the call was refused before that was known."""
    plan: Plan | None = None
    outcome: Outcome = Outcome.FAILED
    status: int = 0
    code: str | None = None
    why: str = ""
    fix: str = ""
    served_by: str | None = None
    """Slug of the provider whose words the caller got."""
    usage: Usage | None = None
    hold_nano_usd: int = 0
    charge_nano_usd: int = 0
    price_version: str = ""
    hold: Held | None = None
    """None where credits were not asked for: refused, without a price, the payer's own key."""
    reported_nano_usd: int | None = None
    """What the provider itself says the call cost."""
    own_key: str | None = None
    """Label of the payer's own key that it was sent with."""
    gateway_ms: float = 0.0
    """Time spent in our own code and waits before the first attempt went out."""
    first_word_ms: float | None = None
    ms: float = 0.0
    delivery_unknown: bool = False
    stranger: str | None = None
    """Set for a caller we could not identify: what its credential looked like, never the credential."""
    request_body: bytes | None = None
    reply_body: bytes | None = None
    """Bodies, only when the operator's settings say to keep them."""

    def __init__(self, id: int, at_ms: int, request_id: str, **facts: Any) -> None:  # noqa: A002 (its name everywhere)
        self.id = id
        """Time-ordered 63-bit number; `request_id` writes it as `req_…`."""
        self.at_ms = at_ms
        self.request_id = request_id
        self.attempts: list[Attempt] = []
        if facts:
            self.__dict__.update(facts)

    @property
    def output_tokens_per_s(self) -> float | None:
        """Speed of the answer from its first word on."""
        if self.usage is None or self.first_word_ms is None or self.ms <= self.first_word_ms:
            return None
        return self.usage.output_total * 1000 / (self.ms - self.first_word_ms)
