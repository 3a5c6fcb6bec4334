"""Why an endpoint cannot serve a request: one predicate a rule, in one table, in the order in which they are asked.

The first broken rule is the reason that plans show. Rules come in three stages. *Standing* rules look at what stays
the same from call to call, so their answers are kept; *size* rules look at how long this request is; *now* rules look
at how the endpoint has been doing. A rule never looks at the stage of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from waypost.domain.callers import Token
from waypost.domain.chat import Need
from waypost.domain.endpoints import Endpoint, Model, Preferences, Provider
from waypost.domain.own_keys import OwnKey
from waypost.domain.payers import Terms
from waypost.domain.plans import Exclusion
from waypost.routing.vitals import Vitals

PROBE_WAIT_MS: Final = 1_000
"""How long to wait where a probe is under way and nobody knows when it ends."""


class Size(NamedTuple):
    """How long a request is, as one endpoint would count it."""

    tokens: int = 0
    output_max: int | None = None


class Case(NamedTuple):
    """One endpoint and one request, with everything a rule may look at."""

    endpoint: Endpoint
    provider: Provider
    model: Model
    token: Token
    preferences: Preferences
    needs: Need = Need.NOTHING
    pin: str | None = None
    """The provider that the request asks for alone."""
    price_demanded: bool = False
    alias: str | None = None
    """The id by which the model was asked for, where that is an alias."""
    terms: Terms | None = None
    """What the organisation that pays says, if one does."""
    own: OwnKey | None = None
    """The payer's own key for the provider: it is in `provider`, and no credits are used."""
    owner: str | None = None
    """The account whose key that is."""
    size: Size = Size()
    vitals: Vitals | None = None
    now_ms: int = 0

    @property
    def slug(self) -> str:
        return self.endpoint.provider

    @property
    def unpriced(self) -> bool:
        """Credits would have to pay it, and nobody knows how much."""
        return self.endpoint.price is None and self.own is None

    def lacks(self, need: Need) -> bool:
        """The request needs it and the endpoint is known not to have it."""
        return need in self.needs and self.endpoint.abilities_known and need not in self.endpoint.abilities


class Rule(NamedTuple):
    """What excludes an endpoint. `why` and `fix` are sentences with places for what the case `c` knows."""

    reason: str
    broken: Callable[[Case], bool]
    why: str
    fix: str
    until: Callable[[Case], int] | None = None
    """Unix milliseconds after which the reason ends by itself."""

    def exclusion(self, c: Case) -> Exclusion:
        """The evidence, for a case that breaks this rule."""
        until = None if self.until is None else iso_time(self.until(c))
        return Exclusion(c.slug, self.reason, self.why.format(c=c), until, self.fix.format(c=c))


def elsewhere(c: Case) -> bool:
    return c.pin is not None and c.pin != c.slug


def retired(c: Case) -> bool:
    return c.model.retired is not None


def disabled_by_operator(c: Case) -> bool:
    return c.provider.disabled


def without_key(c: Case) -> bool:
    return not c.provider.usable or not c.provider.base_url


def not_live(c: Case) -> bool:
    return c.endpoint.status != "live"


def model_not_allowed(c: Case) -> bool:
    allowed = c.token.models
    return allowed is not None and c.model.id not in allowed and c.alias not in allowed


def provider_not_allowed(c: Case) -> bool:
    return c.token.providers is not None and c.slug not in c.token.providers


def disabled_by_user(c: Case) -> bool:
    return c.slug in c.preferences.disabled


def not_preferred(c: Case) -> bool:
    """An empty list prefers nobody, so it leaves nobody out; neither does asking for a provider by name."""
    return c.preferences.preferred_only and c.pin is None and bool(c.preferences.order) and not _listed(c)


def model_not_allowed_by_organisation(c: Case) -> bool:
    allowed = None if c.terms is None else c.terms.rules.models
    return allowed is not None and c.model.id not in allowed and c.alias not in allowed


def model_disabled_by_organisation(c: Case) -> bool:
    return c.terms is not None and not c.terms.rules.disabled_models.isdisjoint((c.model.id, c.alias))


def provider_not_allowed_by_organisation(c: Case) -> bool:
    allowed = None if c.terms is None else c.terms.rules.providers
    return allowed is not None and c.slug not in allowed


def disabled_by_organisation(c: Case) -> bool:
    return c.terms is not None and c.slug in c.terms.preferences.disabled


def not_preferred_by_organisation(c: Case) -> bool:
    """As `not_preferred`: each list is asked on its own, so that nobody's is widened by the other's."""
    if c.terms is None or not c.terms.preferences.preferred_only or c.pin is not None:
        return False
    return bool(c.terms.preferences.order) and c.slug not in c.terms.preferences.order


def without_price_for_organisation(c: Case) -> bool:
    return c.terms is not None and c.terms.rules.price_demanded and c.unpriced


def without_price_for_user(c: Case) -> bool:
    return c.preferences.price_demanded and c.unpriced


def without_tools(c: Case) -> bool:
    return c.lacks(Need.TOOLS)


def without_structured_output(c: Case) -> bool:
    return c.lacks(Need.STRUCTURED_OUTPUT)


def without_images(c: Case) -> bool:
    return c.lacks(Need.IMAGES)


def without_price(c: Case) -> bool:
    return c.price_demanded and c.unpriced


def answer_too_long(c: Case) -> bool:
    allowed, asked = c.endpoint.output_tokens_max, c.size.output_max
    return allowed is not None and asked is not None and asked > allowed


def context_too_long(c: Case) -> bool:
    allowed = c.endpoint.context_length
    return allowed is not None and c.size.tokens > allowed


def key_refused(c: Case) -> bool:
    return c.vitals is not None and c.vitals.muted_until_ms > c.now_ms


def resting(c: Case) -> bool:
    return c.vitals is not None and c.vitals.rest_until_ms > c.now_ms


def circuit_open(c: Case) -> bool:
    return c.vitals is not None and c.vitals.open_until_ms > c.now_ms


def probing(c: Case) -> bool:
    return c.vitals is not None and c.vitals.probe_until_ms > c.now_ms


def _listed(c: Case) -> bool:
    return c.slug in c.preferences.order


def _vitals(c: Case) -> Vitals:
    if c.vitals is None:
        raise ValueError("this rule is only broken where something was measured")
    return c.vitals


GENERAL: Final = (
    Rule(
        "model_retired",
        retired,
        "{c.model.id} is retired since {c.model.retired}.",
        "Ask for another model; GET /v1/models lists them.",
    ),
    Rule(
        "disabled_by_operator",
        disabled_by_operator,
        "The operator has disabled {c.slug}.",
        "Ask the operator, or use another provider.",
    ),
    Rule(
        "no_key",
        without_key,
        "This router has no key for {c.slug}.",
        "The operator sets the key of {c.slug} in the environment or in waypost.toml.",
    ),
    Rule(
        "not_live",
        not_live,
        "{c.slug} lists {c.model.id} with the status {c.endpoint.status}.",
        "Use another provider, or wait until {c.slug} serves it again.",
    ),
)
"""Standing rules that hold for every caller alike."""

STANDING: Final = (
    Rule(
        "pinned_elsewhere",
        elsewhere,
        "The request asks for {c.pin} alone.",
        "Leave the provider out of the request to let {c.slug} serve it.",
    ),
    *GENERAL,
    Rule(
        "model_not_allowed",
        model_not_allowed,
        "This token may not call {c.model.id}.",
        "Use a token that may, or one without a list of models.",
    ),
    Rule(
        "provider_not_allowed",
        provider_not_allowed,
        "This token may not use {c.slug}.",
        "Use a token that may, or one without a list of providers.",
    ),
    Rule(
        "disabled_by_user",
        disabled_by_user,
        "You have disabled {c.slug} in your settings.",
        "Take {c.slug} off the disabled providers in your settings.",
    ),
    Rule(
        "not_preferred",
        not_preferred,
        "{c.slug} is not in your order, and you allow preferred providers only.",
        "Add {c.slug} to your order, or set preferred_only to false.",
    ),
    Rule(
        "model_not_allowed_by_organisation",
        model_not_allowed_by_organisation,
        "{c.terms.organisation}, which pays, does not allow {c.model.id}.",
        "Ask {c.terms.whom} to allow {c.model.id}, use a model that it allows, or let another pay.",
    ),
    Rule(
        "model_disabled_by_organisation",
        model_disabled_by_organisation,
        "{c.terms.organisation}, which pays, has disabled {c.model.id}.",
        "Ask {c.terms.whom} to allow {c.model.id}, use another model, or let another pay.",
    ),
    Rule(
        "provider_not_allowed_by_organisation",
        provider_not_allowed_by_organisation,
        "{c.terms.organisation}, which pays, does not allow {c.slug}.",
        "Ask {c.terms.whom} to allow {c.slug}, use a provider that it allows, or let another pay.",
    ),
    Rule(
        "disabled_by_organisation",
        disabled_by_organisation,
        "{c.terms.organisation}, which pays, has disabled {c.slug}.",
        "Ask {c.terms.whom} to allow {c.slug}, use another provider, or let another pay.",
    ),
    Rule(
        "not_preferred_by_organisation",
        not_preferred_by_organisation,
        "{c.slug} is not in the order of {c.terms.organisation}, which pays for preferred providers only.",
        "Ask {c.terms.whom} to add {c.slug}, use a provider in that order, or let another pay.",
    ),
    Rule(
        "no_tools",
        without_tools,
        "{c.slug} offers no tools for {c.model.id}.",
        "Leave `tools` out, or use a provider or model that has them.",
    ),
    Rule(
        "no_structured_output",
        without_structured_output,
        "{c.slug} offers no structured output for {c.model.id}.",
        "Leave `response_format` out, or use a provider or model that has it.",
    ),
    Rule(
        "no_image_input",
        without_images,
        "{c.slug} takes no images for {c.model.id}.",
        "Send text only, or use a provider or model that takes images.",
    ),
    Rule(
        "unpriced",
        without_price,
        "The price of {c.model.id} at {c.slug} is not known, and this router demands one.",
        "The operator adds its price to waypost.toml, or allows unpriced endpoints.",
    ),
    Rule(
        "unpriced",
        without_price_for_organisation,
        "The price of {c.model.id} at {c.slug} is not known, and {c.terms.organisation}, which pays, demands one.",
        "The operator adds its price to waypost.toml; or ask {c.terms.whom} to allow unpriced endpoints.",
    ),
    Rule(
        "unpriced",
        without_price_for_user,
        "The price of {c.model.id} at {c.slug} is not known, and you demand one in your settings.",
        "The operator adds its price to waypost.toml, or set price_demanded to false.",
    ),
)

SIZE: Final = (
    Rule(
        "output_too_long",
        answer_too_long,
        "{c.size.output_max} tokens of answer are asked for; {c.slug} gives at most {c.endpoint.output_tokens_max}.",
        "Ask for at most {c.endpoint.output_tokens_max} tokens (`max_completion_tokens`, `max_tokens`).",
    ),
    Rule(
        "context_too_long",
        context_too_long,
        "About {c.size.tokens} tokens were counted; {c.slug} takes {c.endpoint.context_length}.",
        "Send a shorter prompt, ask for a shorter answer, or use a provider or model with a longer context.",
    ),
)

NOW: Final = (
    Rule(
        "key_refused",
        key_refused,
        "{c.slug} refuses this router's key.",
        "The operator mends the key of {c.slug}; your token is fine.",
        lambda c: _vitals(c).muted_until_ms,
    ),
    Rule(
        "rate_limited",
        resting,
        "{c.slug} has asked to be left alone for a while.",
        "Wait, or let another provider serve the request.",
        lambda c: _vitals(c).rest_until_ms,
    ),
    Rule(
        "circuit_open",
        circuit_open,
        "{c.slug} has failed {c.vitals.failures} times in a row.",
        "Wait, or let another provider serve the request.",
        lambda c: _vitals(c).open_until_ms,
    ),
    Rule(
        "circuit_open",
        probing,
        "{c.slug} has failed {c.vitals.failures} times in a row, and one call is trying it again.",
        "Wait, or let another provider serve the request.",
        lambda c: c.now_ms + PROBE_WAIT_MS,
    ),
)

RULES: Final = (*STANDING, *SIZE, *NOW)
WAITING_HELPS: Final = frozenset({"rate_limited", "circuit_open"})


def first_broken(rules: Iterable[Rule], case: Case) -> Rule | None:
    """The first rule of these that the case breaks."""
    for rule in rules:
        if rule.broken(case):
            return rule
    return None


def iso_time(unix_ms: int) -> str:
    """`2026-11-20T10:00:30.250Z`."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
