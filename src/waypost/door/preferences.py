"""GET and PUT /api/settings/inference-providers: how a user wants its requests routed, and who is to pay for them.

Organisations have the same under /api/organizations/{name}/settings/inference-providers, for what they pay for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from waypost.domain.callers import Caller
from waypost.domain.endpoints import Preferences, Provider
from waypost.domain.payers import Organisation, Rules
from waypost.domain.problems import Refusal
from waypost.domain.tables import nearest
from waypost.door.cold import Ask, Handler, json_response
from waypost.door.forms import read_form
from waypost.routing.policies import POLICIES

PROVIDERS_MAX: Final = 200
SHOWN_CHARS_MAX: Final = 80


class OrganisationPreferencesForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an organisation's admins may change; what is left out stays as it is."""

    order: list[str] | UnsetType = UNSET
    disabled: list[str] | UnsetType = UNSET
    preferred_only: bool | UnsetType = UNSET
    price_demanded: bool | UnsetType = UNSET
    keys_then_credits: bool | UnsetType = UNSET


class PreferencesForm(OrganisationPreferencesForm, frozen=True, forbid_unknown_fields=True):
    """What a user may change besides."""

    default_policy: str | UnsetType = UNSET
    payer: str | UnsetType | None = UNSET


class Books(Protocol):
    """Runs write commands. Raises Problem."""

    async def run(self, command: str, args: dict[str, Any]) -> Any: ...


class Identity(Protocol):
    """Knows who may pay for whom. Raises Refusal."""

    def payer_named(self, caller: Caller, name: str) -> str: ...


class PreferencesRoutes:
    """Answers for the routes. `providers` gives those known now, by slug."""

    def __init__(self, books: Books, providers: Callable[[], Mapping[str, Provider]], identity: Identity) -> None:
        self._books = books
        self._providers = providers
        self._identity = identity

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {
            "get_preferences": self.get_preferences,
            "put_preferences": self.put_preferences,
            "get_organisation_preferences": self.get_organisation_preferences,
            "put_organisation_preferences": self.put_organisation_preferences,
        }

    async def get_preferences(self, ask: Ask) -> Response:
        return json_response(shown(ask.user.user.preferences))

    async def put_preferences(self, ask: Ask) -> Response:
        """Durable, and in force in every process, when it answers."""
        user = ask.user.user
        form = await read_form(ask.http, PreferencesForm)
        wanted = self._merged(ask.user, form)
        _check(wanted, form, self._providers())
        if form.default_policy is not UNSET:
            _check_policy(wanted.default_policy, self._providers())
        await self._books.run("user.update", {"name": user.name, "preferences": msgspec.to_builtins(wanted)})
        return json_response(shown(wanted))

    async def get_organisation_preferences(self, ask: Ask) -> Response:
        return json_response(shown_of(ask.organisation))

    async def put_organisation_preferences(self, ask: Ask) -> Response:
        """Durable, and in force for everybody it pays for, when it answers."""
        form = await read_form(ask.http, OrganisationPreferencesForm)
        preferences, rules = _merged_of(ask.organisation, form)
        _check(preferences, form, self._providers())
        changed: Organisation = await self._books.run(
            "org.update",
            {
                "name": ask.organisation.name,
                "preferences": msgspec.to_builtins(preferences),
                "rules": msgspec.to_builtins(rules),
            },
        )
        return json_response(shown_of(changed))

    def _merged(self, caller: Caller, form: PreferencesForm) -> Preferences:
        sent = _sent(form, ("default_policy", "payer", "price_demanded", "keys_then_credits"))
        if form.payer is not UNSET and form.payer is not None:
            own = form.payer == caller.user.name
            sent["payer"] = None if own else self._identity.payer_named(caller, form.payer)
        return replace(caller.user.preferences, **_routes(form), **sent)


def shown(preferences: Preferences) -> dict[str, Any]:
    """A user's preferences as the API writes them. `payer` null: the user itself."""
    return {
        "default_policy": preferences.default_policy,
        **_routes_shown(preferences),
        "payer": preferences.payer,
        "price_demanded": preferences.price_demanded,
        "keys_then_credits": preferences.keys_then_credits,
    }


def shown_of(organisation: Organisation) -> dict[str, Any]:
    """An organisation's, as the API writes them."""
    return {
        **_routes_shown(organisation.preferences),
        "price_demanded": organisation.rules.price_demanded,
        "keys_then_credits": organisation.rules.keys_then_credits,
    }


def _routes_shown(preferences: Preferences) -> dict[str, Any]:
    return {
        "order": preferences.order,
        "disabled": sorted(preferences.disabled),
        "preferred_only": preferences.preferred_only,
    }


def _merged_of(organisation: Organisation, form: OrganisationPreferencesForm) -> tuple[Preferences, Rules]:
    rules = replace(organisation.rules, **_sent(form, ("price_demanded", "keys_then_credits")))
    return replace(organisation.preferences, **_routes(form)), rules


def _routes(form: OrganisationPreferencesForm) -> dict[str, Any]:
    """Of what was sent, what is about the order of providers, each named once."""
    routes = _sent(form, ("preferred_only",))
    if form.order is not UNSET:
        routes["order"] = tuple(dict.fromkeys(form.order))
    if form.disabled is not UNSET:
        routes["disabled"] = frozenset(form.disabled)
    return routes


def _sent(form: OrganisationPreferencesForm, names: Collection[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(form, name)) is not UNSET}


def _check_policy(wanted: str, providers: Collection[str]) -> None:
    if wanted not in POLICIES:
        _require_known("default_policy", [wanted], [*POLICIES, *providers], "a policy or a provider")


def _check(wanted: Preferences, form: OrganisationPreferencesForm, providers: Collection[str]) -> None:
    """Only what was sent is checked: what was stored before may name a provider that is gone since."""
    for field, slugs, sent in (("order", wanted.order, form.order), ("disabled", wanted.disabled, form.disabled)):
        if sent is UNSET:
            continue
        if len(slugs) > PROVIDERS_MAX:
            raise Refusal(
                "invalid_request",
                f"`{field}` must name at most {PROVIDERS_MAX} providers.",
                why=f"it names {len(slugs)}",
                fix="Name fewer.",
                param=field,
            )
        _require_known(field, slugs, providers, "slugs of known providers")


def _require_known(field: str, words: Collection[str], known: Collection[str], what: str) -> None:
    wrong = next((word for word in words if word not in known), None)
    if wrong is None:
        return
    near = nearest(wrong[:SHOWN_CHARS_MAX], known)
    raise Refusal(
        "invalid_request",
        f"`{field}` must be {what}; {wrong[:SHOWN_CHARS_MAX]!r} is none.",
        why=f"known are {', '.join(sorted(known))}",
        fix=f"Did you mean {near!r}?" if near else f"Correct `{field}`.",
        param=field,
        extra={"nearest": near} if near else {},
    )
