"""Who may use a route: its row's `access`, asked of a caller. The gate in front of the cold routes asks nobody else."""

from __future__ import annotations

from typing import Final, Protocol

from waypost.domain.callers import Caller
from waypost.domain.payers import Member, Organisation, at_least, whom_to_ask
from waypost.domain.problems import Refusal
from waypost.door.routes import Access, Whose
from waypost.identity.scopes import require

SHOWN_CHARS_MAX: Final = 80


class Memberships(Protocol):
    """Organisations and who is in them, from memory."""

    def find(self, name: str) -> Organisation | None: ...
    def member(self, organisation: Organisation, user_id: int) -> Member | None: ...
    def admins(self, organisation: Organisation) -> tuple[str, ...]: ...


def check_personal(access: Access, caller: Caller) -> None:
    """A route about the caller itself, or the operator's. Raises Refusal `operator_only` or `scope_missing`."""
    if access.whose is Whose.OPERATOR:
        operators_only(caller, "do this")
    if access.scope is not None:
        require(caller, access.scope)


def operators_only(caller: Caller, what: str) -> None:
    """Raises Refusal `operator_only` for everybody else."""
    if not caller.user.operator:
        raise Refusal(
            "operator_only",
            f"Only operators may {what}.",
            why=f"{caller.user.name} is none",
            fix="Ask an operator; `waypost users set NAME --operator` makes one.",
        )


def organisation_for(access: Access, caller: Caller, name: str, memberships: Memberships) -> Organisation:
    """The organisation in a route's path, where the caller may do there what the route does.

    Raises Refusal `not_found`, `scope_missing` or `organisation_forbids`.
    """
    organisation = memberships.find(name)
    member = None if organisation is None else memberships.member(organisation, caller.user.id)
    if organisation is None or (member is None and not caller.user.operator):
        raise no_organisation(name)
    if access.scope is not None:
        require(caller, access.scope, ("org", organisation.name))
    if access.role is not None and not _has_role(caller, member, access.role):
        role = "none" if member is None else member.role
        raise _forbidden(organisation, role, access.role, memberships.admins(organisation))
    return organisation


def no_organisation(name: str) -> Refusal:
    """The same words whether there is none of that name, or one that is none of the caller's business."""
    return Refusal(
        "not_found",
        f"There is no organisation {name[:SHOWN_CHARS_MAX]!r} of yours.",
        why="you are in no organisation of this name or id",
        fix="GET /api/organizations lists yours.",
    )


def _has_role(caller: Caller, member: Member | None, role: str) -> bool:
    return caller.user.operator or (member is not None and at_least(member.role, role))


def _forbidden(organisation: Organisation, role: str, needed: str, admins: tuple[str, ...]) -> Refusal:
    name = organisation.name
    return Refusal(
        "organisation_forbids",
        f"In the organisation {name} this takes the role {needed}; yours is {role}.",
        why="its members may do what their role says",
        fix=f"Ask {whom_to_ask(name, admins)}.",
        extra={"organisation": name, "role": role, "role_needed": needed, "admins": list(admins)},
    )
