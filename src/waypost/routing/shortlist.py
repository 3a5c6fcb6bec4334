"""The endpoints that standing rules leave for one kind of request, ready to be put in order.

A shortlist is kept from call to call. What may have changed since the last call is looked at each time: whether an
endpoint is shut, whether its measured figures moved, and whether this request is too long for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from waypost.domain.chat import BYTES_PER_TOKEN, ChatRequest
from waypost.domain.endpoints import Deadlines, Endpoint
from waypost.domain.plans import Candidate, Exclusion, Plan
from waypost.routing.needs import NOW, SIZE, Case, Size, first_broken
from waypost.routing.own_keys import BARRED, NOW_WITH_OWN_KEY, sorted_out
from waypost.routing.policies import Figures, Mix, Policy, View, Wish
from waypost.routing.vitals import Vitals, Ward

BYTES_PER_TOKEN_MAX: Final = 6
"""Usual text has fewer bytes a token: what is too long even so is surely too long."""
UNLIMITED: Final = 1 << 62
MIXES_MAX: Final = 64


class Heading(NamedTuple):
    """What all plans of a shortlist have in common."""

    model: str
    policy: str
    rank: Policy
    wish: Wish
    deadlines: Deadlines
    keys_only: bool = False
    """Nobody that credits pay comes after the payer's own key."""


RERANK_MS: Final = 1_000
"""Measured speeds are averages over minutes: an order a second old is as good, and spares most calls the work of making
it again, and the plan's waybills of being written anew. Breakers and rests are looked at on every call."""


class Slot:
    """One endpoint of a shortlist, and where it stands by the figures of `revision`."""

    __slots__ = (
        "_shut_seen_ms",
        "_why_shut",
        "_why_until_ms",
        "barred",
        "candidate",
        "cap",
        "case",
        "key",
        "revision",
        "room",
        "vitals",
    )

    def __init__(self, case: Case, vitals: Vitals) -> None:
        self.case = case
        self.vitals = vitals
        self.room = case.endpoint.context_length or UNLIMITED
        self.cap = case.endpoint.output_tokens_max or UNLIMITED
        self.key: tuple[float, ...] = ()
        self.candidate = self._as_candidate("")
        barred = None if case.own is None else first_broken(BARRED, case)
        self.barred = None if barred is None else barred.exclusion(case)
        """Why the payer's own key cannot be used there."""
        self.revision = -1
        self._why_shut: Exclusion | None = None
        self._shut_seen_ms = 0
        self._why_until_ms = 0

    def place(self, heading: Heading) -> None:
        """Work out where this endpoint stands."""
        vitals = self.vitals
        tally = vitals.figures
        figures = Figures(tally.tokens_per_s, tally.first_word_ms, tally.calls)
        self.key, why = heading.rank(View(self.case.endpoint, figures, heading.wish))
        self.revision = vitals.figures_revision
        self.candidate = self._as_candidate(why)

    def _as_candidate(self, why: str) -> Candidate:
        case = self.case
        label = None if case.own is None else case.own.label
        return Candidate(case.endpoint, case.provider, why, label, case.owner)

    def too_long(self, size: Size) -> Exclusion | None:
        """What a rule of stage *size* has against this endpoint."""
        if size.tokens <= self.room and (size.output_max is None or size.output_max <= self.cap):
            return None  # no rule can be broken; asking them all costs microseconds
        case = self.case._replace(size=size)
        rule = first_broken(SIZE, case)
        return None if rule is None else rule.exclusion(case)

    def shut(self, now_ms: int) -> Exclusion | None:
        """What a rule of stage *now* has against this endpoint; kept until the vitals or the rule's time change."""
        until = self.vitals.shut_until_ms
        if until <= now_ms:
            return None
        if self._shut_seen_ms != until or now_ms >= self._why_until_ms:
            case = self.case._replace(vitals=self.vitals, now_ms=now_ms)
            rule = first_broken(NOW if case.own is None else NOW_WITH_OWN_KEY, case)
            self._why_shut = None if rule is None else rule.exclusion(case)
            self._why_until_ms = now_ms if rule is None or rule.until is None else rule.until(case)
            self._shut_seen_ms = until
        return self._why_shut


class Shortlist:
    """One kind of request's endpoints. `peers` are the model's endpoints that anybody may be able to use."""

    __slots__ = (
        "_by_mix",
        "_heading",
        "_peers",
        "_ranked_ms",
        "_ready",
        "_room",
        "_seen",
        "_slots",
        "_ward",
        "excluded",
        "measured",
        "mixed",
    )

    def __init__(
        self, heading: Heading, cases: Iterable[tuple[Case, Vitals]], excluded: Sequence[Exclusion], peers: list[Vitals]
    ) -> None:
        self._heading = heading
        self._slots = [Slot(case, vitals) for case, vitals in cases]
        self._peers = peers
        self._by_mix: dict[Mix, Shortlist] = {}
        self._room = min((min(slot.room, slot.cap) for slot in self._slots), default=UNLIMITED)
        self.excluded = tuple(excluded)
        self.measured = heading.policy == "fastest"
        """Whether the order follows what is measured."""
        self.mixed = heading.policy == "cheapest"
        """Whether the order follows the size of the request: see `for_mix`."""
        self._ward = self._slots[0].vitals.ward if self._slots else Ward()
        self._seen = self._ward.revision
        """The ward's revision when the order was last made."""
        self._ready = self._ranked()
        self._ranked_ms = 0

    def for_mix(self, mix: Mix) -> Shortlist:
        """The same endpoints, ordered for a request of this size."""
        found = self._by_mix.get(mix)
        if found is None:
            if len(self._by_mix) >= MIXES_MAX:
                self._by_mix.clear()
            heading = self._heading._replace(wish=self._heading.wish._replace(mix=mix))
            cases = [(slot.case, slot.vitals) for slot in self._slots]
            found = self._by_mix[mix] = Shortlist(heading, cases, self.excluded, self._peers)
        return found

    def plan(self, ask: ChatRequest, now_ms: int) -> Plan:
        """The order for this request, now."""
        ward = self._ward
        if self._seen != ward.revision and self.measured and not 0 <= now_ms - self._ranked_ms < RERANK_MS:
            self._ranked_ms = now_ms
            self._seen = ward.revision
            ranked = self._ranked()
            if ranked.order != self._ready.order:  # the same plan is one object: its waybills know it by that
                self._ready = ranked
        output = ask.output_tokens_max or 0
        if ask.images or ask.input_tokens_max // BYTES_PER_TOKEN + output > self._room:
            return self._sorted_out(ask, now_ms)
        if ward.shut_until_ms > now_ms and any(slot.vitals.shut_until_ms > now_ms for slot in self._slots):
            return self._sorted_out(ask, now_ms)
        return self._ready

    def explored(self, plan: Plan, now_ms: int, dice: float) -> Plan:
        """The plan with an endpoint in front that was not measured lately, if there is one. `dice` is in [0, 1)."""
        by_slug = {slot.case.slug: slot.vitals for slot in self._slots}
        stale = [
            candidate
            for candidate in plan.order
            if by_slug[candidate.endpoint.provider].figures.recent_until_ms <= now_ms
            and not by_slug[candidate.endpoint.provider].failures
            and not (self._heading.keys_only and candidate.owner and not plan.order[0].owner)
        ]
        if not stale or len(plan.order) == 1:
            return plan
        chosen = stale[int(dice * len(stale))]
        if chosen is plan.order[0]:
            return plan
        first = chosen._replace(why=f"put first to be measured again; {chosen.why}")
        return plan._replace(order=(first, *(c for c in plan.order if c is not chosen)), explored=True)

    def _ranked(self) -> Plan:
        """Put the slots in order, those that moved placed anew, and make the plan of a request nothing is against."""
        for slot in self._slots:
            if slot.revision != slot.vitals.figures_revision:
                slot.place(self._heading)
        self._slots.sort(key=_key)
        return self._as_plan(*self._sorted([(slot, slot.barred) for slot in self._slots]))

    def _sorted_out(self, ask: ChatRequest, now_ms: int) -> Plan:
        """Ask the rules that depend on this request's size and on the moment.

        Tokens are first counted as usual text has them, so that a longer context is preferred to a doubtful one. Only
        where that leaves nobody are they counted as favourably as can be: nothing is refused that may fit.
        """
        order, out = self._sieved([(slot, _usual_size(ask, slot.case.endpoint)) for slot in self._slots], now_ms)
        if not order and any(exclusion.reason == "context_too_long" for exclusion in out):
            order, out = self._sieved([(slot, _least_size(ask)) for slot in self._slots], now_ms)
        return self._as_plan(order, out)

    def _sieved(self, sized: list[tuple[Slot, Size]], now_ms: int) -> tuple[list[Candidate], list[Exclusion]]:
        judged: list[tuple[Slot, Exclusion | None]] = []
        for slot, size in sized:
            exclusion = slot.too_long(size) or slot.barred or slot.shut(now_ms)
            if exclusion is not None and exclusion.reason == "circuit_open" and slot.vitals is self._spared(now_ms):
                exclusion = None
            judged.append((slot, exclusion))
        return self._sorted(judged)

    def _sorted(self, judged: list[tuple[Slot, Exclusion | None]]) -> tuple[list[Candidate], list[Exclusion]]:
        return sorted_out(judged, keys_only=self._heading.keys_only)

    def _spared(self, now_ms: int) -> Vitals | None:
        """The endpoint that no breaker shuts, because it would be the model's last: of all open ones the latest."""
        if any(vitals.shut_until_ms <= now_ms for vitals in self._peers):
            return None
        open_ones = [vitals for vitals in self._peers if max(vitals.rest_until_ms, vitals.muted_until_ms) <= now_ms]
        return max(open_ones, key=lambda vitals: max(vitals.open_until_ms, vitals.probe_until_ms), default=None)

    def _as_plan(self, order: list[Candidate], out: Sequence[Exclusion]) -> Plan:
        heading = self._heading
        return Plan(heading.model, heading.policy, tuple(order), (*self.excluded, *out), heading.deadlines)


def _key(slot: Slot) -> tuple[float, ...]:
    return slot.key


def _usual_size(ask: ChatRequest, endpoint: Endpoint) -> Size:
    prompt = (ask.input_tokens_max + ask.images * endpoint.image_tokens_max) // BYTES_PER_TOKEN
    return Size(prompt + (ask.output_tokens_max or 0), ask.output_tokens_max)


def _least_size(ask: ChatRequest) -> Size:
    return Size(ask.input_tokens_max // BYTES_PER_TOKEN_MAX, ask.output_tokens_max)
