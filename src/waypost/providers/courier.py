"""Tries the plan in turn until an endpoint says its first word. After that word nobody else is ever asked."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

from waypost.domain.chat import ChatRequest
from waypost.domain.plans import Candidate, Plan
from waypost.domain.problems import Failed
from waypost.domain.pulse import CallResult
from waypost.domain.waybill import Attempt
from waypost.providers.addresses import Address
from waypost.providers.exchange import Exchange
from waypost.providers.flow import DRAINING, GONE, End, Flow
from waypost.providers.openai import OpenAISpeaker
from waypost.providers.replies import Blame, Verdict
from waypost.providers.stream import StreamFlow
from waypost.providers.watch import Watch
from waypost.providers.whole import WholeFlow

SERVED = Blame.SERVED
FAILURE = Blame.FAILURE
STREAMED_TOKENS_MIN = 8
WHOLE_TOKENS_MIN = 32
"""Shorter answers teach nothing about an endpoint's output speed."""
OWN_KEY_REFUSED = "own_key_refused"
FREE_TRIES = 2
"""The first try, and a call's first failover."""


class Client(Protocol):
    """Our HTTP client."""

    def send(self, address: Address, head: bytes, body: bytes, sink: Any, connect_seconds_max: float) -> Exchange: ...


class Health(Protocol):
    """Where the courier tells how endpoints are doing."""

    def started(self, key: tuple[str, ...]) -> None: ...
    def ended(self, key: tuple[str, ...], result: CallResult) -> None: ...


class Budget(Protocol):
    """How many further tries all calls together may take."""

    def may_retry(self) -> bool: ...
    def retried(self) -> None: ...


class Leaver(Protocol):
    """The caller, who may go away at any time."""

    @property
    def gone(self) -> bool: ...
    def watch(
        self,
        on_gone: Callable[[], None],
        on_drain: Callable[[], None],
        on_full: Callable[[], None],
        on_room: Callable[[], None],
    ) -> None: ...


class Left(Exception):
    """The caller left before the first word.

    `flow` is the attempt that was let go for that: its provider has read the prompt. None where nobody was asked, or
    who was asked failed by itself.
    """

    def __init__(self, flow: Flow | None = None) -> None:
        super().__init__()
        self.flow = flow


class Courier:
    """Opens flows."""

    def __init__(self, client: Client, health: Health, budget: Budget, watch: Watch) -> None:
        self._client = client
        self._health = health
        self._budget = budget
        self._watch = watch
        self._speaker = OpenAISpeaker()

    async def open(self, plan: Plan, ask: ChatRequest, attempts: list[Attempt], caller: Leaver) -> Flow:
        """The first endpoint that answers.

        Raises Failed where none does or the provider rejects the request itself, Left where the caller went away.
        Every try is added to `attempts`.
        """
        started = perf_counter()
        verdicts: list[tuple[Candidate, Verdict]] = []
        why_no_more = ""
        for tried, candidate in enumerate(plan.order):
            if tried >= FREE_TRIES:
                if not self._budget.may_retry():
                    why_no_more = "the retry budget is used up"
                    break
                self._budget.retried()
            if caller.gone:
                raise Left
            flow = self._send(candidate, plan, ask, started, caller)
            attempts.append(flow.attempt)
            verdict = await flow.answers
            if verdict is None:
                return flow
            verdict = _with_whose_key(candidate, verdict)
            self.note(flow, verdict)
            verdicts.append((candidate, verdict))
            if caller.gone:
                raise Left(flow if verdict is GONE else None)
            if not verdict.try_next or perf_counter() - started >= plan.deadlines.call_seconds_max:
                why_no_more = "the call's time is up"
                break
        raise _failure(plan, verdicts, attempts, why_no_more)

    def note(self, flow: Flow, verdict: Verdict) -> None:
        """Write down why an attempt did not serve the call, in its waybill line and in the pulse."""
        flow.attempt.ms = flow.elapsed_ms()
        flow.attempt.code = verdict.code
        flow.attempt.why = verdict.why
        self._health.ended(
            flow.key,
            CallResult(blame=verdict.blame, why=verdict.why, retry_after_seconds=verdict.retry_after_seconds),
        )

    def served(self, flow: Flow, end: End, output_tokens: int) -> None:
        """Write down how an attempt that answered ended."""
        attempt = flow.attempt
        ms = attempt.ms = flow.elapsed_ms()
        blame, why = SERVED, ""
        if end.code is not None:
            attempt.code = end.code
            attempt.why = why = end.why
            if end.code != DRAINING:
                blame = FAILURE
        first_ms, tokens_min = None, WHOLE_TOKENS_MIN
        if flow.stream:
            first_ms, tokens_min = attempt.first_word_ms or 0.0, STREAMED_TOKENS_MIN
            ms -= first_ms
        # A short answer says more about the way to the provider than about its speed.
        told = output_tokens if output_tokens >= tokens_min else 0
        self._health.ended(flow.key, CallResult(blame, why, None, first_ms, told, ms))

    def abandon(self, flow: Flow) -> None:
        """A bug of ours ended the call: let the provider go, and blame nobody."""
        flow.let_go()
        flow.attempt.ms = flow.elapsed_ms()
        self._health.ended(flow.key, CallResult(Blame.NONE))

    def forget(self) -> None:
        """Settings or keys changed."""
        self._speaker.forget()

    def _send(self, candidate: Candidate, plan: Plan, ask: ChatRequest, started: float, caller: Leaver) -> Flow:
        address, head, body = self._speaker.speak(candidate, ask)
        deadlines = plan.deadlines
        kind = StreamFlow if ask.stream else WholeFlow
        flow = kind(candidate, ask, deadlines, started, self._watch)
        self._health.started(flow.key)
        try:
            flow.exchange = self._client.send(address, head, body, flow, deadlines.connect_seconds_max)
            caller.watch(flow.leave, flow.cut, flow.on_full, flow.on_room)
        except Exception:
            self.abandon(flow)
            raise
        return flow


def _with_whose_key(candidate: Candidate, verdict: Verdict) -> Verdict:
    """A refused key is the operator's matter, unless it is the payer's own."""
    if candidate.own_key is None or verdict.code != "provider_refused_key":
        return verdict
    return verdict._replace(code=OWN_KEY_REFUSED)


def _failure(
    plan: Plan, verdicts: list[tuple[Candidate, Verdict]], attempts: list[Attempt], why_no_more: str
) -> Failed:
    """The problem that says what happened to every attempt."""
    candidate, last = verdicts[-1]
    told = "; ".join(f"{c.provider.slug} {v.why}" for c, v in verdicts)
    extra = {"attempts": [_shown(attempt) for attempt in attempts]}
    slug = candidate.provider.slug
    if not last.try_next:
        return _handed_back(slug, last, extra)
    codes = {verdict.code for _, verdict in verdicts}
    left_over = len(plan.order) - len(verdicts)
    why = told + (f"; {left_over} more not tried: {why_no_more}" if left_over else "")
    if OWN_KEY_REFUSED in codes:
        return _own_key_refused(next(c for c, v in verdicts if v.code == OWN_KEY_REFUSED), why, extra)
    if codes == {"providers_busy"}:
        wait = min((v.retry_after_seconds for _, v in verdicts if v.retry_after_seconds), default=1)
        return Failed(
            "providers_busy",
            f"Every provider that could serve {plan.model} is at its rate limit.",
            why=why,
            fix=f"Wait {wait} s, or add a provider for this model.",
            retry_after_seconds=wait,
            extra=extra,
        )
    code = codes.pop() if len(codes) == 1 else "provider_failed"
    message, fix = FAILURES[code]
    return Failed(code, message.format(model=plan.model, tried=len(verdicts)), why=why, fix=fix, extra=extra)


FAILURES = {
    "provider_failed": (
        "No provider could serve {model}: {tried} tried, all failed.",
        "Try again, or ask for another provider or model; the operator sees each attempt in this request's waybill.",
    ),
    "provider_timeout": (
        "No provider answered for {model} in time: {tried} tried.",
        "Try again with stream: true or a smaller request, or ask for another provider.",
    ),
    "provider_refused_key": (
        "The provider of {model} refused this router's own key.",
        "Your token is fine. The operator must mend the provider's key: waypost providers shows which.",
    ),
}
"""Code → message and fix, for attempts that all ended the same way."""


def _own_key_refused(candidate: Candidate, why: str, extra: dict[str, Any]) -> Failed:
    """Only its owner can mend that, whatever others said."""
    slug, label = candidate.provider.slug, candidate.own_key
    return Failed(
        OWN_KEY_REFUSED,
        f"{slug} refused the payer's own key {label!r}.",
        why=why,
        fix=f"Set a key that {slug} takes: `waypost keys set {slug}`, or PUT …/provider-keys/{slug}.",
        extra={"provider": slug, "key_label": label, "owner": candidate.owner, **extra},
    )


def _handed_back(slug: str, verdict: Verdict, extra: dict[str, Any]) -> Failed:
    """The provider says that the request itself is wrong; asking another would only repeat it."""
    if verdict.code == "draining":
        return Failed("draining", "The server is shutting down.", fix="Send the call again.", retry_after_seconds=1)
    return Failed(
        verdict.code,
        verdict.why,
        why=f"{slug} answered {verdict.status}",
        fix="Change the request as the message says.",
        param=verdict.param,
        status=verdict.status,
        extra={"provider": slug, **extra},
    )


def _shown(attempt: Attempt) -> dict[str, Any]:
    return {
        "provider": attempt.provider,
        "status": attempt.status,
        "code": attempt.code,
        "why": attempt.why,
        "ms": round(attempt.ms, 1),
    }
