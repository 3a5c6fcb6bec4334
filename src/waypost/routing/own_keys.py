"""Endpoints that are called with the payer's own key: the provider bills its owner, and no credits are used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple, Protocol

from waypost.domain.endpoints import Preferences, Provider
from waypost.domain.own_keys import OwnKey, OwnKeys
from waypost.domain.payers import ORGANISATION, Payer, Terms
from waypost.domain.plans import Candidate, Exclusion
from waypost.routing.needs import NOW, SIZE, Case, Rule, key_refused

SET_AGAIN: Final = "Set the key again (`waypost keys set {c.slug}`, or PUT …/provider-keys/{c.slug}), or remove it."


class Purse(NamedTuple):
    """What a call is paid from, as far as its route depends on it."""

    terms: Terms | None = None
    """What the organisation that pays says, if one does."""
    keys: OwnKeys | None = None
    """The payer's own keys."""
    then_credits: bool = False
    """After a provider with an own key, one that is paid with credits may be tried."""

    def key_for(self, provider: Provider) -> OwnKey | None:
        """The own key for a provider. One that needs no key takes none: it would only spare its price."""
        return None if self.keys is None or provider.keyless else self.keys.by_provider.get(provider.slug)


def goes_on_with_credits(payer: Payer, preferences: Preferences) -> bool:
    """Whether the payer said that credits may be used where its own keys fail. `preferences` are the caller's."""
    if payer.type == ORGANISATION:
        return payer.rules is not None and payer.rules.keys_then_credits
    return preferences.keys_then_credits


def with_key(provider: Provider, own: OwnKey | None) -> Provider:
    """The provider as it is called: with the own key where there is one. One that cannot be used is never sent."""
    return provider if own is None else replace(provider, key=own.key or "")


def elsewhere(c: Case) -> bool:
    return c.own is not None and c.own.base_url != c.provider.base_url


def unreadable(c: Case) -> bool:
    return c.own is not None and c.own.key is None


BARRED: Final = (
    Rule(
        "own_key_elsewhere",
        elsewhere,
        "The own key {c.own.label!r} was set for another address of {c.slug} than the one it has now.",
        SET_AGAIN,
    ),
    Rule(
        "own_key_unreadable",
        unreadable,
        "The own key {c.own.label!r} for {c.slug} cannot be opened any more: the file that opens it was lost.",
        SET_AGAIN,
    ),
)
"""Why an own key cannot be used. Neither the operator's key nor, unasked, credits take its place."""

REFUSED: Final = Rule(
    "own_key_refused",
    key_refused,
    "{c.slug} refuses the own key {c.own.label!r}.",
    "Set a key that {c.slug} takes (`waypost keys set {c.slug}`, or PUT …/provider-keys/{c.slug}).",
    lambda c: 0 if c.vitals is None else c.vitals.muted_until_ms,
)
NOW_WITH_OWN_KEY: Final = (REFUSED, *(rule for rule in NOW if rule.broken is not key_refused))

CREDITS_AFTER_KEY: Final = "credits_after_own_key"
RULES: Final = (*BARRED, REFUSED)
_SIZES: Final = frozenset(rule.reason for rule in SIZE)


class Placed(Protocol):
    """An endpoint in its place."""

    case: Case
    candidate: Candidate


def sorted_out(
    judged: Iterable[tuple[Placed, Exclusion | None]], *, keys_only: bool
) -> tuple[list[Candidate], list[Exclusion]]:
    """Who is tried, and who is not. With `keys_only`, nobody that credits pay comes after an own key.

    That holds too where the key cannot be used at the moment: what costs nothing today must not cost something
    tomorrow, unasked. A request that is too long for the endpoint was never meant for its key.
    """
    order: list[Candidate] = []
    out: list[Exclusion] = []
    key: Case | None = None
    for placed, exclusion in judged:
        case = placed.case
        fits = exclusion is None or exclusion.reason not in _SIZES
        if key is not None and case.own is None and fits:
            out.append(_not_on_credits(case, key))
        elif exclusion is None:
            order.append(placed.candidate)
        else:
            out.append(exclusion)
        if keys_only and key is None and case.own is not None and fits:
            key = case
    return order, out


def _not_on_credits(case: Case, key: Case) -> Exclusion:
    return Exclusion(
        case.slug,
        CREDITS_AFTER_KEY,
        f"{case.slug} would be paid with credits, and {key.slug}, which comes before it, has the payer's own key:"
        " credits are not used in its place.",
        None,
        f"Set a key for {case.slug}, too, or keys_then_credits in the settings, or ask for {case.slug} by name.",
    )
