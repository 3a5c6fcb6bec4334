"""/api/organizations: operators make organisations, their admins say who is in them and what they allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from waypost.domain.callers import ORG_SETTINGS
from waypost.domain.payers import ROLES, Member, Organisation, Rules
from waypost.domain.problems import Refusal
from waypost.domain.tables import did_you_mean
from waypost.door.admission import operators_only
from waypost.door.cold import Ask, Handler, json_response
from waypost.door.forms import Query, invalid, iso, read_form
from waypost.door.requests import ReadingRoom
from waypost.identity.scopes import require
from waypost.store.rosters import Place, roster
from waypost.store.sql import Sql

SHOWN_CHARS_MAX: Final = 80
ADMIN: Final = "admin"
Answer = TypeVar("Answer")
Amount = int | UnsetType | None
"""Nano-USD, null for none; what is left out stays as it is."""


class RulesForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of an organisation's rules; what is left out stays as it is."""

    models: list[str] | UnsetType | None = UNSET
    disabled_models: list[str] | UnsetType = UNSET
    providers: list[str] | UnsetType | None = UNSET
    billers: str | UnsetType = UNSET
    price_demanded: bool | UnsetType = UNSET
    keys_then_credits: bool | UnsetType = UNSET


class OrganisationForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of an organisation; what is left out stays as it is."""

    fullname: str | UnsetType = UNSET
    spending_limit_nano_usd: Amount = UNSET
    member_spending_limit_nano_usd: Amount = UNSET
    included_nano_usd: Amount = UNSET
    rules: RulesForm = RulesForm()


class NewOrganisationForm(OrganisationForm, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An organisation to be made."""

    name: str
    admin: str | None = None


class MemberForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user's place in an organisation; what is left out stays as it is, and who is new may `read`."""

    role: str | UnsetType = UNSET
    spending_limit_nano_usd: Amount = UNSET


class Books(Protocol):
    """Runs write commands. Raises Problem."""

    async def run(self, command: str, args: dict[str, Any]) -> Any: ...


class Reader(Protocol):
    """Reads the data. Blocking."""

    def ask(self, question: Callable[[Sql], Answer]) -> Answer: ...
    def organisations(self) -> list[Organisation]: ...


class Memberships(Protocol):
    """Organisations and who is in them, from memory."""

    def member(self, organisation: Organisation, user_id: int) -> Member | None: ...
    def of_user(self, user_id: int) -> list[tuple[Organisation, Member]]: ...


class Organisations:
    """Answers for the routes."""

    def __init__(self, books: Books, reader: Reader, room: ReadingRoom, memberships: Memberships) -> None:
        self._books = books
        self._reader = reader
        self._room = room
        self._memberships = memberships

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {
            "list_organisations": self.list_organisations,
            "create_organisation": self.create_organisation,
            "get_organisation": self.get_organisation,
            "change_organisation": self.change_organisation,
            "put_member": self.put_member,
            "remove_member": self.remove_member,
        }

    async def list_organisations(self, ask: Ask) -> Response:
        """Those the caller is in, with its role in each; to an operator who asks for `all`, every one."""
        if Query(ask.http, ("all",)).flag("all"):
            operators_only(ask.user, "list every organisation")
            require(ask.user, ORG_SETTINGS)
            everyone = await self._room.read(self._reader.organisations)
            return _listing([shown(one, self._role(one, ask)) for one in everyone])
        own = self._memberships.of_user(ask.user.user.id)
        return _listing([_in_short(one, member.role) for one, member in own])

    async def create_organisation(self, ask: Ask) -> Response:
        """Operators alone come here."""
        form = await read_form(ask.http, NewOrganisationForm)
        wanted = {"name": form.name, **({"admin": form.admin} if form.admin else {}), **_wanted(form, Rules())}
        made: Organisation = await self._books.run("org.create", wanted)
        return json_response(await self._whole(made, ask), 201)

    async def get_organisation(self, ask: Ask) -> Response:
        """Members see what holds for them, admins and operators everybody."""
        return json_response(await self._whole(ask.organisation, ask))

    async def change_organisation(self, ask: Ask) -> Response:
        """Admins change it; what it is given each month is the operator's to say."""
        form = await read_form(ask.http, OrganisationForm)
        if form.included_nano_usd is not UNSET:
            operators_only(ask.user, "say which credits come with each month")
        now = ask.organisation
        changed: Organisation = await self._books.run("org.update", {"name": now.name, **_wanted(form, now.rules)})
        return json_response(await self._whole(changed, ask))

    async def put_member(self, ask: Ask) -> Response:
        """A user joins, or gets another role or limit."""
        form = await read_form(ask.http, MemberForm)
        name, user = ask.organisation.name, ask.hole("user")
        if form.role is not UNSET and form.role not in ROLES:
            near = did_you_mean(form.role[:SHOWN_CHARS_MAX], ROLES)
            raise invalid("role", f"one of {', '.join(ROLES)}", f"it is {form.role[:SHOWN_CHARS_MAX]!r}{near}")
        if form.role not in {UNSET, ADMIN}:
            await self._require_another_admin(ask, user)
        wanted: dict[str, Any] = {"organisation": name, "user": user}
        if form.role is not UNSET:
            wanted["role"] = form.role
        if form.spending_limit_nano_usd is not UNSET:
            wanted["spending_limit"] = form.spending_limit_nano_usd
        member: Member = await self._books.run("member.set", wanted)
        return json_response(_member(Place(user, member.role, member.spending_limit, member.added_at)))

    async def remove_member(self, ask: Ask) -> Response:
        """From now on the organisation pays for nothing of the user's."""
        user = ask.hole("user")
        place = next((one for one in await self._roster(ask.organisation) if one.user == user), None)
        if place is None:
            raise Refusal(
                "not_found",
                f"{user[:SHOWN_CHARS_MAX]!r} is no member of {ask.organisation.name}.",
                why="nobody of this name is in it",
                fix=f"GET /api/organizations/{ask.organisation.name} lists its members.",
            )
        await self._require_another_admin(ask, user)
        await self._books.run("member.remove", {"organisation": ask.organisation.name, "user": user})
        return json_response(_member(place))

    async def _require_another_admin(self, ask: Ask, user: str) -> None:
        """An organisation that loses its last admin could be mended by operators alone, so only they may do that."""
        admins = {one.user for one in await self._roster(ask.organisation) if one.role == ADMIN}
        if admins == {user} and not ask.user.user.operator:
            raise Refusal(
                "invalid_request",
                f"{user[:SHOWN_CHARS_MAX]} is the last admin of {ask.organisation.name}.",
                why="nobody could manage it any more",
                fix="Make another member admin first, or ask an operator.",
                param="role",
            )

    async def _whole(self, organisation: Organisation, ask: Ask) -> dict[str, Any]:
        role = self._role(organisation, ask)
        sees_all = role == ADMIN or ask.user.user.operator
        places = await self._roster(organisation)
        seen = [one for one in places if sees_all or one.user == ask.user.user.name]
        return {**shown(organisation, role), "members": [_member(one) for one in seen]}

    async def _roster(self, organisation: Organisation) -> list[Place]:
        return await self._room.read(lambda: self._reader.ask(lambda sql: roster(sql, organisation.id)))

    def _role(self, organisation: Organisation, ask: Ask) -> str | None:
        member = self._memberships.member(organisation, ask.user.user.id)
        return None if member is None else member.role


def shown(organisation: Organisation, role: str | None) -> dict[str, Any]:
    """An organisation as the API writes it; amounts are nano-USD."""
    rules = organisation.rules
    allowed = {"models": rules.models, "providers": rules.providers}
    return {
        **_in_short(organisation, role),
        "created_at": iso(organisation.created_at),
        "spending_limit_nano_usd": organisation.spending_limit,
        "member_spending_limit_nano_usd": organisation.member_spending_limit,
        "included_nano_usd": organisation.included,
        "rules": {
            **{name: None if names is None else sorted(names) for name, names in allowed.items()},
            "disabled_models": sorted(rules.disabled_models),
            "billers": rules.billers,
            "price_demanded": rules.price_demanded,
            "keys_then_credits": rules.keys_then_credits,
        },
    }


def _in_short(organisation: Organisation, role: str | None) -> dict[str, Any]:
    return {"id": organisation.id, "name": organisation.name, "fullname": organisation.fullname, "role": role}


def _member(place: Place) -> dict[str, Any]:
    return {
        "user": place.user,
        "role": place.role,
        "spending_limit_nano_usd": place.spending_limit,
        "added_at": iso(place.added_at),
    }


def _listing(found: list[dict[str, Any]]) -> Response:
    return json_response({"object": "list", "data": found})


def _wanted(form: OrganisationForm, rules: Rules) -> dict[str, Any]:
    """What the store is told: what was sent, and the whole of the rules where one of them was."""
    sent = {
        "fullname": form.fullname,
        "spending_limit": form.spending_limit_nano_usd,
        "member_spending_limit": form.member_spending_limit_nano_usd,
        "included": form.included_nano_usd,
    }
    wanted: dict[str, Any] = {name: value for name, value in sent.items() if value is not UNSET}
    changes = {
        name: value for name in form.rules.__struct_fields__ if (value := getattr(form.rules, name)) is not UNSET
    }
    return wanted | {"rules": msgspec.to_builtins(rules) | changes} if changes else wanted
