"""Who could serve you, in which order? Pure, given the catalogue, the pulse, a clock and dice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from waypost.domain.callers import Caller
from waypost.domain.chat import ChatRequest, Need
from waypost.domain.endpoints import Deadlines, Endpoint, Model, Preferences
from waypost.domain.own_keys import OwnKeys
from waypost.domain.payers import Payer, Terms
from waypost.domain.plans import Exclusion, Plan
from waypost.domain.problems import Refusal
from waypost.routing.catalogue import Catalogue
from waypost.routing.kept import Kept
from waypost.routing.needs import GENERAL, STANDING, Case, first_broken
from waypost.routing.own_keys import Purse, goes_on_with_credits, with_key
from waypost.routing.policies import POLICIES, Wish, expected_mix, named
from waypost.routing.pulse import Pulse
from waypost.routing.refusals import model_not_found, nobody_left, unknown_policy
from waypost.routing.shortlist import Heading, Shortlist

NO_KEYS: Final[Mapping[str, OwnKeys]] = MappingProxyType({})
SHORTLISTS_MAX: Final = 16_384
"""About 4 KiB each with eight endpoints."""


class PlannerSettings(NamedTuple):
    """What the operator says about routing."""

    explore_share: float = 0.02
    """Share of `fastest` calls that measure an endpoint not measured lately."""
    price_demanded: bool = False
    """Endpoints without a known price may not serve."""
    deadlines: Deadlines = Deadlines()
    """For models without their own."""


class Resolved(NamedTuple):
    """What a request's model and tag stand for."""

    model: Model
    policy: str
    pin: str | None
    alias: str | None


class Planner:
    """Makes plans. `clock_ms` is Unix milliseconds; `dice` gives a float in [0, 1); `own_keys` are found by account.

    What standing rules say is kept for each kind of request, with the caller's preferences, the token's allowed
    models and providers, the terms of the organisation that pays and the payer's own keys told apart by identity:
    `waypost.identity` shares equal ones, so that all callers who may do the same share what is kept. A kept entry holds
    on to these objects, so no other can have their identity.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        pulse: Pulse,
        clock_ms: Callable[[], int],
        dice: Callable[[], float],
        settings: PlannerSettings | None = None,
        own_keys: Mapping[str, OwnKeys] = NO_KEYS,
    ) -> None:
        self.catalogue = catalogue
        self._pulse = pulse
        self._clock_ms = clock_ms
        self._dice = dice
        self._settings = settings or PlannerSettings()
        self._own_keys = own_keys
        self._explore_share = self._settings.explore_share
        self._kept: Kept[tuple[object, ...], tuple[Shortlist, object]] = Kept(SHORTLISTS_MAX)

    def use(self, catalogue: Catalogue, settings: PlannerSettings | None = None) -> None:
        """Plan with another catalogue from now on. Providers whose key changed may try again."""
        for slug, provider in catalogue.providers.items():
            before = self.catalogue.providers.get(slug)
            if before is None or before.key != provider.key:
                self._pulse.key_changed(slug)
        self._pulse.forget({endpoint.key for model in catalogue.models.values() for endpoint in model.endpoints})
        self.catalogue = catalogue
        self._settings = settings or self._settings
        self._explore_share = self._settings.explore_share
        self._kept.clear()

    def plan(self, ask: ChatRequest, caller: Caller, payer: Payer) -> Plan:
        """The endpoints that can serve this request, in order, and all others with the reason.

        Raises Refusal `model_not_found` or `unknown_policy`. An empty order is no error here: see `refusal`.
        """
        preferences, token = caller.user.preferences, caller.token
        models, providers, terms = token.models, token.providers, payer.terms
        key: tuple[object, ...]
        key = (ask.model, ask.tag, ask.needs, ask.pinned, id(preferences), id(models), id(providers), id(terms))
        keys = self._own_keys.get(payer.account)
        if keys is not None:
            key += (id(keys), goes_on_with_credits(payer, preferences))
        kept = self._kept.get(key)
        if kept is None:
            shortlist = self._listed(self._resolve(ask, caller), ask, caller, self._purse(payer, preferences))
            kept = (shortlist, (preferences, models, providers, terms, keys))
            self._kept.put(key, kept)
        shortlist = kept[0]
        if shortlist.mixed:
            shortlist = shortlist.for_mix(expected_mix(ask))
        now = self._clock_ms()
        plan = shortlist.plan(ask, now)
        if shortlist.measured and self._explore_share:
            dice = self._dice()
            if dice < self._explore_share:
                return shortlist.explored(plan, now, dice / self._explore_share)
        return plan

    def refusal(self, plan: Plan, ask: ChatRequest) -> Refusal:
        """Why nobody is in the order of this plan, as the caller is told."""
        return nobody_left(plan, ask, self._clock_ms())

    def survey(self, model: Model, caller: Caller) -> Plan:
        """What a plain short request to this model would meet, paid by whom the caller's settings say: for lists."""
        preferences = caller.user.preferences
        resolved = Resolved(model, _known(preferences.default_policy), None, None)
        ask = ChatRequest(model.id, None, model.id, False, False, Need.NOTHING, 0, 0, None, 1, {})
        purse = Purse() if caller.payer is None else self._purse(caller.payer, preferences)
        return self._listed(resolved, ask, caller, purse).plan(ask, self._clock_ms())

    def _purse(self, payer: Payer, preferences: Preferences) -> Purse:
        return Purse(payer.terms, self._own_keys.get(payer.account), goes_on_with_credits(payer, preferences))

    def _listed(self, resolved: Resolved, ask: ChatRequest, caller: Caller, purse: Purse) -> Shortlist:
        """Ask the standing rules of every endpoint of the model."""
        model = resolved.model
        wish = _wish(caller, purse.terms)
        left, excluded, peers = [], [], []
        for endpoint in model.endpoints:
            case = self._case(endpoint, resolved, caller, ask, purse)
            vitals = self._pulse.vitals(endpoint.key if case.owner is None else (*endpoint.key, case.owner))
            rule = first_broken(STANDING, case)
            if rule is None:
                left.append((case, vitals))
            else:
                excluded.append(rule.exclusion(case))
            if rule is None or first_broken(GENERAL, case) is None:
                peers.append(vitals)
        if resolved.pin is not None and all(endpoint.provider != resolved.pin for endpoint in model.endpoints):
            excluded.insert(0, _no_such_model(resolved.pin, model))
        if resolved.policy == "preferred":
            excluded[:0] = [_no_such_model(slug, model) for slug in self._without(model, wish)]
        rank = POLICIES.get(resolved.policy, named)
        deadlines = model.deadlines or self._settings.deadlines
        keys_only = purse.keys is not None and not purse.then_credits
        return Shortlist(Heading(model.id, resolved.policy, rank, wish, deadlines, keys_only), left, excluded, peers)

    def _case(self, endpoint: Endpoint, resolved: Resolved, caller: Caller, ask: ChatRequest, purse: Purse) -> Case:
        provider = self.catalogue.providers[endpoint.provider]
        own = purse.key_for(provider)
        return Case(
            endpoint,
            with_key(provider, own),
            resolved.model,
            caller.token,
            caller.user.preferences,
            ask.needs,
            resolved.pin,
            self._settings.price_demanded,
            resolved.alias,
            purse.terms,
            own,
            None if own is None or purse.keys is None else purse.keys.owner,
        )

    def _without(self, model: Model, wish: Wish) -> list[str]:
        """Providers that are preferred and do not run this model: why `preferred` took none of them."""
        running = {endpoint.provider for endpoint in model.endpoints}
        order = (*wish.order, *wish.then)
        return [slug for slug in order if slug in self.catalogue.providers and slug not in running]

    def _resolve(self, ask: ChatRequest, caller: Caller) -> Resolved:
        if ask.pinned is not None:
            return self._resolve_pinned(ask, ask.pinned)
        tag = ask.tag
        model = self.catalogue.find(ask.model)
        known = tag is None or tag in POLICIES or tag in self.catalogue.providers
        if (model is None or not known) and self.catalogue.find(ask.asked) is not None:
            model, tag = self.catalogue.find(ask.asked), None  # an id with a colon in it, as Ollama has them
        if model is None:
            raise model_not_found(ask.model, self.catalogue.nearest(ask.model))
        alias = ask.model if ask.model in self.catalogue.models and ask.model != model.id else None
        if tag is not None:
            return self._with_policy(model, tag, alias)
        return self._with_policy(model, caller.user.preferences.default_policy, alias, ", your default policy,")

    def _with_policy(self, model: Model, tag: str, alias: str | None, source: str = "") -> Resolved:
        if tag in POLICIES:
            return Resolved(model, tag, None, alias)
        if tag in self.catalogue.providers:
            return Resolved(model, tag, tag, alias)
        raise unknown_policy(tag, model, source)

    def _resolve_pinned(self, ask: ChatRequest, provider: str) -> Resolved:
        """The provider's own id first, then ours: `/{provider}/…` is sent both."""
        model = self.catalogue.by_native_id(provider, ask.model) or self.catalogue.find(ask.model)
        if model is None:
            model = self.catalogue.by_native_id(provider, ask.asked)
            if model is None:
                raise model_not_found(ask.model, self.catalogue.nearest(ask.model), provider)
        elif ask.tag is not None and ask.tag not in POLICIES and ask.tag != provider:
            raise unknown_policy(ask.tag, model, fix=f"Leave the tag out: the path already asks for {provider}.")
        return Resolved(model, provider, provider, None)


def _no_such_model(provider: str, model: Model) -> Exclusion:
    runs = ", ".join(endpoint.provider for endpoint in model.endpoints)
    fix = f"Ask for one of {runs}, or leave the provider out." if runs else "Ask for another model."
    return Exclusion(provider, "no_such_model", f"{provider} does not run {model.id}.", None, fix)


def _wish(caller: Caller, terms: Terms | None) -> Wish:
    order = caller.user.preferences.order
    if terms is None:
        return Wish(order)
    then = tuple(slug for slug in terms.preferences.order if slug not in order)
    return Wish(order, then=then, whose=terms.organisation)


def _known(policy: str) -> str:
    return policy if policy in POLICIES else "fastest"
