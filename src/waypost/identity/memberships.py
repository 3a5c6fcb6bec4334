"""Organisations and who is in them, from memory."""

from __future__ import annotations

from collections.abc import Mapping

from waypost.domain.callers import User
from waypost.domain.endpoints import Preferences
from waypost.domain.payers import Member, Organisation, Rules, Terms


class Memberships:
    """Every organisation, by name and by id. `users` are looked at for the names of admins."""

    def __init__(self, users: Mapping[int, User]) -> None:
        self._users = users
        self._organisations: dict[int, Organisation] = {}
        self._known: dict[str, int] = {}
        """By name, and by id as text: no name consists of digits alone."""
        self._members: dict[int, dict[int, Member]] = {}
        """By organisation, then by user."""
        self._of_user: dict[int, dict[int, Member]] = {}
        """By user, then by organisation."""
        self._terms: dict[int, Terms | None] = {}

    def put_organisation(self, organisation: Organisation) -> None:
        """It is new, or was changed."""
        self._organisations[organisation.id] = organisation
        self._known[organisation.name] = self._known[str(organisation.id)] = organisation.id
        self._terms.pop(organisation.id, None)

    def put_member(self, member: Member) -> bool:
        """Somebody joined, changed or left. Says whether that changes who the organisation's admins are."""
        number, user = member.organisation_id, member.user_id
        before = self._members.get(number, {}).get(user)
        if member.removed_at is None:
            self._members.setdefault(number, {})[user] = member
            self._of_user.setdefault(user, {})[number] = member
        else:
            self._members.get(number, {}).pop(user, None)
            self._of_user.get(user, {}).pop(number, None)
        if _is_admin(before) == _is_admin(member):
            return False
        self._terms.pop(number, None)
        return True

    def find(self, name: str) -> Organisation | None:
        """The organisation of this name or id."""
        number = self._known.get(name)
        return None if number is None else self._organisations[number]

    def by_id(self, number: int) -> Organisation | None:
        """The organisation of this number."""
        return self._organisations.get(number)

    def member(self, organisation: Organisation, user_id: int) -> Member | None:
        """What the user is in it; None for who is not in it."""
        return self._members.get(organisation.id, {}).get(user_id)

    def members(self, organisation: Organisation) -> list[Member]:
        """Everybody who is in it."""
        return list(self._members.get(organisation.id, {}).values())

    def of_user(self, user_id: int) -> list[tuple[Organisation, Member]]:
        """Every organisation that the user is in, by name."""
        found = [
            (self._organisations[number], member)
            for number, member in self._of_user.get(user_id, {}).items()
            if number in self._organisations
        ]
        return sorted(found, key=lambda one: one[0].name)

    def admins(self, organisation: Organisation) -> tuple[str, ...]:
        """Names of those who may change it."""
        members = self._members.get(organisation.id, {}).values()
        admins = (self._users.get(member.user_id) for member in members if _is_admin(member))
        return tuple(sorted(user.name for user in admins if user is not None))

    def terms(self, organisation: Organisation) -> Terms | None:
        """What it says about routes, None where it says nothing: then its calls are planned as everybody's are."""
        number = organisation.id
        if number not in self._terms:
            preferences, rules = organisation.preferences, organisation.rules
            said = Terms(organisation.name, self.admins(organisation), preferences, rules)
            self._terms[number] = None if _says_nothing(preferences, rules) else said
        return self._terms[number]


def _is_admin(member: Member | None) -> bool:
    return member is not None and member.removed_at is None and member.role == "admin"


def _says_nothing(preferences: Preferences, rules: Rules) -> bool:
    routes = (preferences.order, preferences.disabled, rules.models, rules.disabled_models, rules.providers)
    return not rules.price_demanded and routes == ((), frozenset(), None, frozenset(), None)
