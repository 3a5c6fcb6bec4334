"""Waybills as calls make them, for tests of the store."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from waypost.domain.callers import Caller, Token, User
from waypost.domain.chat import ChatRequest, Need, Usage
from waypost.domain.endpoints import Deadlines, Endpoint, Provider
from waypost.domain.payers import Payer
from waypost.domain.plans import Candidate, Exclusion, Plan
from waypost.domain.requests import RequestNumbers, request_id
from waypost.domain.waybill import Attempt, Outcome, Waybill

START_MS = 1_790_000_000_000
SECRET = "sk-never-to-be-written"


def sample_caller(number: int = 1, name: str = "ada") -> Caller:
    user = User(number, name)
    return Caller(user, Token(number, bytes([number]) * 32, number, "laptop", "write", "abcd", 0), frozenset())


def sample_payer(name: str = "ada", kind: str = "user") -> Payer:
    return Payer(kind, 1, name, "user:1" if kind == "user" else "org:1")


def sample_plan(model: str = "acme/one", *providers: str) -> Plan:
    order = tuple(
        Candidate(Endpoint(model, slug, f"{model}-at-{slug}"), Provider(slug, "http://x", key=SECRET), "212 tokens/s")
        for slug in providers or ("alpha", "beta")
    )
    left_out = Exclusion("gamma", "no_tools", "It offers no tools.", None, "Ask without tools.")
    return Plan(model, "fastest", order, (left_out,), Deadlines())


def sample_request(model: str = "acme/one", **facts: Any) -> ChatRequest:
    defaults: dict[str, Any] = {"tag": "fastest", "asked": model + ":fastest", "stream": True, "session_tag": None}
    facts = defaults | facts
    return ChatRequest(
        model=model,
        wants_usage=False,
        needs=Need.NOTHING,
        input_tokens_max=100,
        images=0,
        output_tokens_max=None,
        choices=1,
        fields={},
        **facts,
    )


class Bills:
    """Makes waybills with growing numbers, a millisecond after each other."""

    def __init__(self, start_ms: int = START_MS, writer: int = 0) -> None:
        self._clock = itertools.count(start_ms)
        self._numbers = RequestNumbers(writer, lambda: next(self._clock))

    def __iter__(self) -> Iterator[Waybill]:
        return self

    def __next__(self) -> Waybill:
        return self.bill()

    def some(self, count: int, **facts: Any) -> list[Waybill]:
        return [self.bill(**facts) for _ in range(count)]

    def bare(self, **facts: Any) -> Waybill:
        """A waybill of a call that came to nothing."""
        number, at_ms = self._numbers.next()
        return Waybill(number, at_ms, request_id(number), **facts)

    def bill(self, **facts: Any) -> Waybill:
        """A delivered call, but for what the test says."""
        request = facts.pop("request", None) or sample_request()
        bill = self.bare(
            caller=sample_caller(),
            payer=sample_payer(),
            asked=request.asked,
            request=request,
            plan=sample_plan(request.model),
            outcome=Outcome.DELIVERED,
            status=200,
            served_by="alpha",
            usage=Usage(120, 30, 200, 40),
            charge_nano_usd=12_345,
            price_version="2026-11-20",
            gateway_ms=0.35,
            first_word_ms=120.5,
            ms=620.5,
        )
        bill.attempts.append(Attempt("alpha", "one-at-alpha", 200, None, 1.5, 120.25, 620.0, "up-1"))
        for name, value in facts.items():
            setattr(bill, name, value)
        return bill
