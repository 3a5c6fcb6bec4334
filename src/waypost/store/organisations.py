"""Organisations and who is in them: the commands that make and change them."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from waypost.domain.endpoints import Preferences
from waypost.domain.payers import ROLES, Member, Organisation, Rules
from waypost.store.desk import Command, Commands, Desk, check_amount, invalid
from waypost.store.identities import member_of, organisation_named, preferences_text, rules_text
from waypost.store.namespace import require_free_name
from waypost.store.people import user_of_name
from waypost.store.spending import count_members, count_spending

FULLNAME_LENGTH_MAX: Final = 200
NAMES_MAX: Final = 1_000
AMOUNTS: Final = ("spending_limit", "member_spending_limit", "included")
OrNone = int | UnsetType | None
"""Nano-USD; null is no limit, and what is left out stays as it is."""


class OrganisationArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of org.create and org.update. What is left out stays as it is."""

    name: str
    fullname: str | None = None
    spending_limit: OrNone = UNSET
    member_spending_limit: OrNone = UNSET
    included: OrNone = UNSET
    preferences: Preferences | None = None
    rules: Rules | None = None
    admin: str | None = None
    """Of org.create: the user who is its first admin."""


class MemberArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of member.set: adds a user to an organisation, or changes what is given. Who is new may `read`."""

    organisation: str
    user: str
    role: str | None = None
    spending_limit: OrNone = UNSET


class RemoveArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of member.remove."""

    organisation: str
    user: str


def create_organisation(desk: Desk, args: OrganisationArgs) -> Organisation:
    """A new organisation; users and organisations all have different names."""
    require_free_name(desk, args.name, "organisation")
    _check(args)
    amounts = {name: None if (value := getattr(args, name)) is UNSET else value for name in AMOUNTS}
    number = desk.sql.value(
        "INSERT INTO organisations"
        " (name, fullname, created_at, spending_limit, member_spending_limit, included, preferences, rules) VALUES"
        " (:name, :fullname, :now, :spending_limit, :member_spending_limit, :included, :preferences, :rules)"
        " RETURNING id",
        {
            "name": args.name,
            "fullname": args.fullname or "",
            "now": desk.now_ms,
            **amounts,
            "preferences": preferences_text(args.preferences or Preferences()),
            "rules": rules_text(args.rules or Rules()),
        },
    )
    desk.changed("organisation", number)
    if args.admin is not None:
        set_member(desk, MemberArgs(args.name, args.admin, "admin"))
    return organisation_of_name(desk, args.name)


def update_organisation(desk: Desk, args: OrganisationArgs) -> Organisation:
    """Change what is given of an organisation."""
    now = organisation_of_name(desk, args.name)
    if args.admin is not None:
        raise invalid("admin", "Admins are made with member.set.", fix="Leave `admin` out.")
    _check(args)
    amounts = {name: getattr(now, name) if (value := getattr(args, name)) is UNSET else value for name in AMOUNTS}
    desk.sql.run(
        "UPDATE organisations SET fullname = :fullname, spending_limit = :spending_limit,"
        " member_spending_limit = :member_spending_limit, included = :included,"
        " preferences = :preferences, rules = :rules WHERE id = :id",
        {
            "id": now.id,
            "fullname": now.fullname if args.fullname is None else args.fullname,
            **amounts,
            "preferences": preferences_text(args.preferences or now.preferences),
            "rules": rules_text(args.rules or now.rules),
        },
    )
    if isinstance(args.spending_limit, int):
        count_spending(desk, f"org:{now.id}")
    if isinstance(args.member_spending_limit, int):
        count_members(desk, now.id)
    desk.changed("organisation", now.id)
    return organisation_of_name(desk, args.name)


def set_member(desk: Desk, args: MemberArgs) -> Member:
    """A user joins an organisation, or gets another role or limit there."""
    organisation, user = organisation_of_name(desk, args.organisation), user_of_name(desk, args.user)
    if args.role is not None and args.role not in ROLES:
        raise invalid("role", f"{args.role[:64]!r} is no role.", fix=f"Use one of {', '.join(ROLES)}.")
    check_amount("spending_limit", args.spending_limit)
    before = member_of(desk.sql, organisation.id, user.id)
    now = before if before is not None and before.removed_at is None else None
    limit: Any = args.spending_limit
    if limit is UNSET:
        limit = None if now is None else now.spending_limit
    number = desk.sql.value(
        "INSERT INTO members (organisation_id, user_id, role, spending_limit, added_at, removed_at)"
        " VALUES (:organisation, :user, :role, :limit, :added, NULL)"
        " ON CONFLICT (organisation_id, user_id) DO UPDATE SET role = excluded.role,"
        " spending_limit = excluded.spending_limit, added_at = excluded.added_at, removed_at = NULL RETURNING id",
        {
            "organisation": organisation.id,
            "user": user.id,
            "role": args.role or (ROLES[0] if now is None else now.role),
            "limit": limit,
            "added": desk.now_ms if now is None else now.added_at,
        },
    )
    if limit is not None or organisation.member_spending_limit is not None:
        count_spending(desk, f"member:{organisation.id}:{user.id}")
    desk.changed("member", number)
    return _member(desk, organisation, user.id)


def remove_member(desk: Desk, args: RemoveArgs) -> Member:
    """A user leaves an organisation. Leaving twice is leaving once."""
    organisation, user = organisation_of_name(desk, args.organisation), user_of_name(desk, args.user)
    ids = {"organisation": organisation.id, "user": user.id, "now": desk.now_ms}
    number = desk.sql.value(
        "UPDATE members SET removed_at = :now"
        " WHERE organisation_id = :organisation AND user_id = :user AND removed_at IS NULL RETURNING id",
        ids,
    )
    if number is not None:
        desk.changed("member", number)
    return _member(desk, organisation, user.id)


def organisation_of_name(desk: Desk, name: str) -> Organisation:
    """The organisation of that name, or a refusal."""
    found = organisation_named(desk.sql, name)
    if found is None:
        raise invalid("organisation", f"There is no organisation named {name[:64]!r}.", fix="Check how it is spelled.")
    return found


def _member(desk: Desk, organisation: Organisation, user_id: int) -> Member:
    found = member_of(desk.sql, organisation.id, user_id)
    if found is None:
        raise invalid(
            "user", f"That user was never a member of {organisation.name}.", fix="Add it with member.set, or let it be."
        )
    return found


def _check(args: OrganisationArgs) -> None:
    if len(args.fullname or "") > FULLNAME_LENGTH_MAX:
        raise invalid("fullname", f"fullname is longer than {FULLNAME_LENGTH_MAX} characters.", fix="Shorten it.")
    for name in AMOUNTS:
        check_amount(name, getattr(args, name))
    if args.rules is not None:
        _check_rules(args.rules)
    if args.preferences is not None and _own(args.preferences):
        raise invalid(
            "preferences",
            f"An organisation's preferences have no {', '.join(_own(args.preferences))}.",
            why="these are for users; an organisation says by its rules what it demands",
            fix="Leave them out.",
        )


def _own(preferences: Preferences) -> list[str]:
    """What a user alone may prefer."""
    factory = Preferences()
    names = ("default_policy", "payer", "price_demanded", "keys_then_credits")
    return [name for name in names if getattr(preferences, name) != getattr(factory, name)]


def _check_rules(rules: Rules) -> None:
    if rules.billers not in ROLES:
        raise invalid("billers", f"{rules.billers[:64]!r} is no role.", fix=f"Use one of {', '.join(ROLES)}.")
    for names in (rules.models, rules.disabled_models, rules.providers):
        if names is not None and len(names) > NAMES_MAX:
            raise invalid("rules", f"A list of rules has at most {NAMES_MAX} names.", fix="Name fewer.")


COMMANDS: Final[Commands] = {
    "org.create": Command(OrganisationArgs, create_organisation),
    "org.update": Command(OrganisationArgs, update_organisation),
    "member.set": Command(MemberArgs, set_member),
    "member.remove": Command(RemoveArgs, remove_member),
}
