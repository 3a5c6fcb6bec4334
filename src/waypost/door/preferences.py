"""GET and PUT /api/settings/inference-providers: how a user wants its requests routed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from waypost.domain.endpoints import Preferences, Provider
from waypost.domain.problems import Refusal
from waypost.domain.tables import nearest
from waypost.door.cold import Ask, Handler, json_response
from waypost.door.forms import read_form
from waypost.routing.policies import POLICIES

PROVIDERS_MAX: Final = 200
SHOWN_CHARS_MAX: Final = 80


class PreferencesForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed; what is left out stays as it is."""

    default_policy: str | UnsetType = UNSET
    order: list[str] | UnsetType = UNSET
    disabled: list[str] | UnsetType = UNSET
    preferred_only: bool | UnsetType = UNSET
    payer: str | UnsetType | None = UNSET


class Books(Protocol):
    """Runs write commands. Raises Problem."""

    async def run(self, command: str, args: dict[str, Any]) -> Any: ...


class PreferencesRoutes:
    """Answers for the route. `providers` gives those known now, by slug."""

    def __init__(self, books: Books, providers: Callable[[], Mapping[str, Provider]]) -> None:
        self._books = books
        self._providers = providers

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {"get_preferences": self.get_preferences, "put_preferences": self.put_preferences}

    async def get_preferences(self, ask: Ask) -> Response:
        return json_response(shown(ask.user.user.preferences))

    async def put_preferences(self, ask: Ask) -> Response:
        """Durable, and in force in every process, when it answers."""
        user = ask.user.user
        form = await read_form(ask.http, PreferencesForm)
        wanted = _merged(user.preferences, form, user.name)
        _check(wanted, form, self._providers())
        await self._books.run("user.update", {"name": user.name, "preferences": msgspec.to_builtins(wanted)})
        return json_response(shown(wanted))


def shown(preferences: Preferences) -> dict[str, Any]:
    """Preferences as the API writes them. `payer` null: the user itself."""
    return {
        "default_policy": preferences.default_policy,
        "order": preferences.order,
        "disabled": sorted(preferences.disabled),
        "preferred_only": preferences.preferred_only,
        "payer": None,
    }


def _merged(now: Preferences, form: PreferencesForm, user: str) -> Preferences:
    if form.payer not in {UNSET, None, user}:
        raise Refusal(
            "organisation_unknown",
            f"There is no organisation {str(form.payer)[:SHOWN_CHARS_MAX]!r}.",
            why="only you yourself can pay for your requests here",
            fix="Set payer to null, or leave it out.",
            param="payer",
        )
    return Preferences(
        now.default_policy if form.default_policy is UNSET else form.default_policy,
        now.order if form.order is UNSET else tuple(dict.fromkeys(form.order)),
        now.disabled if form.disabled is UNSET else frozenset(form.disabled),
        now.preferred_only if form.preferred_only is UNSET else form.preferred_only,
    )


def _check(wanted: Preferences, form: PreferencesForm, providers: Collection[str]) -> None:
    """Only what was sent is checked: what was stored before may name a provider that is gone since."""
    if form.default_policy is not UNSET and wanted.default_policy not in POLICIES:
        _require_known("default_policy", [wanted.default_policy], [*POLICIES, *providers], "a policy or a provider")
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
