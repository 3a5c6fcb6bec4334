"""Who pays for a call? The user, or the organisation that the call or the user's settings name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from waypost.domain.callers import INFERENCE, Caller, Token, User
from waypost.domain.payers import (
    ORGANISATION,
    USER,
    Member,
    Organisation,
    Payer,
    SpendingLimit,
    at_least,
    whom_to_ask,
)
from waypost.domain.problems import Refusal
from waypost.domain.tables import nearest
from waypost.identity.memberships import Memberships
from waypost.identity.scopes import require

KEPT_MAX: Final = 65_536
SHOWN_CHARS_MAX: Final = 80
NAMED_MAX: Final = 8
SETTINGS_PATH: Final = "PUT /api/settings/inference-providers"


class Origin(NamedTuple):
    """Where it was said who is to pay."""

    param: str
    said: str
    otherwise: str
    """What to do instead."""


HEADER: Final = Origin("X-HF-Bill-To", "X-HF-Bill-To names it", "leave X-HF-Bill-To out")
DEFAULT: Final = Origin(
    "payer",
    "it is the default payer in your settings, and your own account is never charged in its place",
    f"name another payer in X-HF-Bill-To (your own name is your own account) or in your settings ({SETTINGS_PATH})",
)
SCOPED: Final = Origin("scoped", "a permission on it is asked for", "leave it out of `scoped`")
SETTING: Final = Origin("payer", "`payer` names it", "set `payer` to null, which is yourself")


class Billing:
    """Finds payers, and keeps those of organisations until anything about organisations changes."""

    def __init__(self, users: Mapping[int, User]) -> None:
        self.memberships = Memberships(users)
        self._personal: dict[int, Payer] = {}
        """By user, without the limits of tokens."""
        self._kept: dict[tuple[int, str], tuple[Caller, Payer]] = {}
        """By token and what the call named."""

    def forget(self) -> None:
        """Something about an organisation changed. Where it is a member, its caller is another one from then on."""
        self._kept.clear()

    def forget_user(self, user_id: int) -> None:
        """Something about a user changed."""
        self._personal.pop(user_id, None)

    def payer(self, caller: Caller, bill_to: str | None) -> Payer:
        """Who pays for a call that names `bill_to`.

        Raises Refusal `organisation_unknown`, `not_a_member`, `organisation_forbids` or `scope_missing`.
        """
        if bill_to is None:
            return self._found(caller, caller.user.preferences.payer, DEFAULT)
        key = (caller.token.id, bill_to)
        kept = self._kept.get(key)
        if kept is not None and kept[0] is caller:
            return kept[1]
        payer = self._found(caller, bill_to, HEADER)
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[key] = (caller, payer)
        return payer

    def named(self, user: User, name: str, origin: Origin = SETTING) -> Organisation:
        """The organisation of this name or id, which would pay for the user's calls. Raises Refusal as `payer`."""
        return self._billable(user, name, origin)[0]

    def require_member(self, user: User, name: str, origin: Origin = SCOPED) -> None:
        """Raises Refusal `organisation_unknown` or `not_a_member`; ids are no names here."""
        organisation = self._member(user, name, origin)[0]
        if organisation.name != name:
            raise self._unknown(user, name, origin)

    def personal(self, user: User, token: Token) -> Payer:
        """The user's own account."""
        payer = self._personal.get(user.id)
        if payer is None:
            own = _limit(f"user:{user.id}", user.spending_limit, f"user {user.name}")
            payer = self._personal[user.id] = Payer(USER, user.id, user.name, f"user:{user.id}", own)
        limits = _token_limit(token)
        return Payer(USER, user.id, user.name, payer.account, payer.limits + limits) if limits else payer

    def _found(self, caller: Caller, name: str | None, origin: Origin) -> Payer:
        user = caller.user
        if name is None or name == user.name:
            require(caller, INFERENCE)
            return self.personal(user, caller.token)
        organisation, member = self._billable(user, name, origin)
        require(caller, INFERENCE, ("org", organisation.name))
        return self._payer_of(organisation, member, caller)

    def _billable(self, user: User, name: str, origin: Origin) -> tuple[Organisation, Member]:
        organisation, member = self._member(user, name, origin)
        if not at_least(member.role, organisation.rules.billers):
            raise self._forbidden(organisation, member, origin)
        return organisation, member

    def _member(self, user: User, name: str, origin: Origin) -> tuple[Organisation, Member]:
        organisation = self.memberships.find(name)
        if organisation is None:
            raise self._unknown(user, name, origin)
        member = self.memberships.member(organisation, user.id)
        if member is None:
            raise self._not_a_member(user, organisation, origin)
        return organisation, member

    def _payer_of(self, organisation: Organisation, member: Member, caller: Caller) -> Payer:
        number, name, user = organisation.id, organisation.name, caller.user
        of_member = organisation.member_spending_limit if member.spending_limit is None else member.spending_limit
        limits = (
            *_limit(f"org:{number}", organisation.spending_limit, f"organisation {name}"),
            *_limit(f"member:{number}:{user.id}", of_member, f"member {user.name} of organisation {name}"),
            *_token_limit(caller.token),
        )
        return Payer(
            ORGANISATION,
            number,
            name,
            f"org:{number}",
            limits,
            organisation.preferences,
            organisation.rules,
            self.memberships.terms(organisation),
        )

    def _unknown(self, user: User, name: str, origin: Origin) -> Refusal:
        shown = name[:SHOWN_CHARS_MAX]
        own = self._own(user)
        near = nearest(shown.lower(), own)
        return Refusal(
            "organisation_unknown",
            f"There is no organisation {shown!r}, so it cannot pay." + (f" Did you mean {near!r}?" if near else ""),
            why=origin.said,
            fix=_either(f"Name {near or _one_of(own)}" if own else "", origin.otherwise),
            param=origin.param,
            extra={"organisation": shown, **({"nearest": near} if near else {})},
        )

    def _not_a_member(self, user: User, organisation: Organisation, origin: Origin) -> Refusal:
        name = organisation.name
        return Refusal(
            "not_a_member",
            f"You are not a member of the organisation {name}, so it does not pay for your calls.",
            why=f"{user.name} is not among its members, and {origin.said}",
            fix=_either(f"Ask one of its admins to add {user.name}", origin.otherwise),
            param=origin.param,
            extra={"organisation": name},
        )

    def _forbidden(self, organisation: Organisation, member: Member, origin: Origin) -> Refusal:
        name, needed = organisation.name, organisation.rules.billers
        admins = self.memberships.admins(organisation)
        extra: dict[str, Any] = {"organisation": name, "role": member.role, "role_needed": needed, "admins": admins}
        return Refusal(
            "organisation_forbids",
            f"The organisation {name} pays for members with the role {_or_above(needed)} only; yours is {member.role}.",
            why=f"{origin.said}, and its rules say who may bill to it",
            fix=_either(f"Ask {whom_to_ask(name, admins)} for the role {needed}", origin.otherwise),
            param=origin.param,
            extra=extra,
        )

    def _own(self, user: User) -> list[str]:
        """Organisations that would pay for the user."""
        return [
            organisation.name
            for organisation, member in self.memberships.of_user(user.id)
            if at_least(member.role, organisation.rules.billers)
        ]


def _limit(subject: str, nano_usd: int | None, shown: str) -> tuple[SpendingLimit, ...]:
    return () if nano_usd is None else (SpendingLimit(subject, nano_usd, shown),)


def _token_limit(token: Token) -> tuple[SpendingLimit, ...]:
    return _limit(f"token:{token.id}", token.limits.spending_nano_usd_per_month, f"token {token.name!r}")


def _or_above(role: str) -> str:
    return role if role == "admin" else f"{role} or above"


def _one_of(names: list[str]) -> str:
    more = f" or {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return " or ".join(names[:NAMED_MAX]) + more


def _either(first: str, otherwise: str) -> str:
    return f"{first}, or {otherwise}." if first else f"{otherwise[0].upper()}{otherwise[1:]}."
