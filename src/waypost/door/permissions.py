"""Every route and every kind of caller, as one table.

`docs/reference/permissions.md` is made of it, and a test asks a running server for every cell. It says what the route
table means, and shares no code with the gate that carries it out: so neither can be wrong alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from waypost.domain.callers import SCOPES
from waypost.domain.payers import ROLES
from waypost.door.routes import ROUTES, Access, Auth, Route, Whose

YES: Final = "yes"
READ_SCOPES: Final = frozenset({"inference.serverless.write", "user.billing.read", "org.billing.read"})
EVERY_SCOPE: Final = frozenset(SCOPES)


class Kind(NamedTuple):
    """A kind of caller, seen from the organisation in a route's path."""

    title: str
    token: str | None = "write"  # noqa: S105 (a word, no secret)
    """`read`, `write`; a fine-grained one `with` exactly what the route asks for, `without` it, or with it on the
    organisation `here` alone; None: no token is shown."""
    role: str | None = None
    operator: bool = False

    def may(self, scope: str, *, here: bool) -> bool:
        """Whether the token has a permission, on the organisation in the path or on its own user."""
        if self.token in {"with", "without"}:
            return self.token == "with"  # noqa: S105 (a word, no secret)
        if self.token == "here":  # noqa: S105 (a word, no secret)
            return here
        return scope in (READ_SCOPES if self.token == "read" else EVERY_SCOPE)  # noqa: S105 (a word, no secret)


KINDS: Final = (
    Kind("no token", None),
    Kind("read token", "read"),
    Kind("write token"),
    Kind("fine-grained, without it", "without"),
    Kind("fine-grained, with it", "with"),
    Kind("member, read", role="read"),
    Kind("member, write", role="write"),
    Kind("member, admin", role="admin"),
    Kind("admin, read token", "read", "admin"),
    Kind("admin, without it", "without", "admin"),
    Kind("admin, with it here alone", "here", "admin"),
    Kind("operator", operator=True),
    Kind("operator, without it", "without", operator=True),
)


def outcome(access: Access, kind: Kind) -> str:
    """`yes`, or the code with which this kind of caller is refused."""
    if access.auth is Auth.SIGNATURE:
        return "signature_invalid"
    if access.auth is not Auth.TOKEN:
        return YES
    if kind.token is None:
        return "token_missing"
    here = access.whose is Whose.ORGANISATION
    if here and kind.role is None and not kind.operator:
        return "not_found"
    if access.whose is Whose.OPERATOR and not kind.operator:
        return "operator_only"
    if access.scope is not None and not kind.may(access.scope, here=here):
        return "scope_missing"
    if here and not kind.operator and ROLES.index(kind.role or "") < ROLES.index(access.role or ""):
        return "organisation_forbids"
    return YES


def permissions_reference() -> str:
    """The page."""
    return "\n".join([*INTRODUCTION, *_table(), ""])


def _table() -> Iterator[str]:
    yield "| route | about | permission | role | " + " | ".join(kind.title for kind in KINDS) + " |"
    yield "| --- " * (4 + len(KINDS)) + "|"
    for route in ROUTES:
        yield "| " + " | ".join(_cells(route)) + " |"


def _cells(route: Route) -> list[str]:
    access = route.access
    scope = f"`{access.scope}`" if access.scope else "none"
    found = [outcome(access, kind) for kind in KINDS]
    shown = [one if one == YES else f"`{one}`" for one in found]
    return [f"`{route.method} {route.template}`", ABOUT[access.whose], scope, access.role or "", *shown]


ABOUT: Final = {
    Whose.NOBODY: "",
    Whose.CALLER: "the caller",
    Whose.ORGANISATION: "the organisation in the path",
    Whose.OPERATOR: "the house",
}
INTRODUCTION: Final = (
    "# Permissions",
    "",
    "*Made by `./dev docs` from the code; do not edit. A test asks a running server for every cell.*",
    "",
    "Who may use which route. A cell says `yes`, or the [code](errors.md) of the refusal. *It* is the permission in",
    "the third column. The first five belong to a user who is in no organisation; members and admins are those of the",
    "organisation in the path.",
    "",
    "- What is another's is as unknown as what never was: another user's waybill or token, an organisation that the",
    "  caller is not in.",
    "- Operators see every waybill, and may do in an organisation what its admins may. An admin whose token has",
    "  `org.billing.read` on its organisation also sees the waybills of what that paid for.",
    "- A token never makes one that may do more than itself, nor one for an organisation that its user is not in.",
    "- Who may have an organisation pay for a call is no row here: its rule `billers` says so, and the code is",
    "  `organisation_forbids`.",
    "- `POST /api/webhooks/top-up` shows a signature instead of a token, and is there only where the settings name a",
    "  secret for it.",
    "",
)
