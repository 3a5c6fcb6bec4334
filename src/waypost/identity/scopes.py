"""What a token may do: its kind unfolded into permissions, and the refusal where one is missing.

Kinds and permissions are Hugging Face's: a `read` and a `write` token both reach inference, a `fineGrained` one what it
was given, for everything (`global`) or for one user or organisation (`scoped`).
"""

from __future__ import annotations

from typing import Final

from waypost.domain.callers import (
    BILLING_READ,
    CREDITS_WRITE,
    INFERENCE,
    ORG_BILLING_READ,
    ORG_SETTINGS,
    SCOPES,
    SETTINGS,
    Caller,
    Limits,
    Token,
    User,
)
from waypost.domain.problems import Refusal

BY_KIND: Final[dict[str, frozenset[str]]] = {
    "read": frozenset({INFERENCE, BILLING_READ, ORG_BILLING_READ}),
    "write": frozenset(SCOPES),
}
MEANINGS: Final = {
    INFERENCE: "call Inference Providers",
    SETTINGS: "read and change settings",
    BILLING_READ: "read billing",
    ORG_BILLING_READ: "read an organisation's billing",
    ORG_SETTINGS: "read and change an organisation's settings",
    CREDITS_WRITE: "give credits",
}
Entity = tuple[str, str]
"""Type (`user` or `org`) and name."""


def unfolded(token: Token, user: User) -> frozenset[str]:
    """What the token may do in its user's name."""
    if token.kind in BY_KIND:
        return BY_KIND[token.kind]
    own = (grant.permissions for grant in token.grants if (grant.entity_type, grant.entity_name) == ("user", user.name))
    return token.permissions.union(*own)


def allows(caller: Caller, scope: str, entity: Entity | None = None) -> bool:
    """Whether the caller's token may do this in its user's name, or for another entity."""
    if entity is None or entity == ("user", caller.user.name):
        return scope in caller.scopes
    if entity[0] == "user":
        return False
    token = caller.token
    if token.kind in BY_KIND:
        return scope in BY_KIND[token.kind]
    scoped = (grant.permissions for grant in token.grants if (grant.entity_type, grant.entity_name) == entity)
    return scope in token.permissions.union(*scoped)


def require(caller: Caller, scope: str, entity: Entity | None = None) -> None:
    """Raises Refusal `scope_missing`, naming the permission and on which entity it is missing."""
    if not allows(caller, scope, entity):
        raise _missing(caller, scope, entity or ("user", caller.user.name))


def everywhere(token: Token) -> frozenset[str]:
    """What the token may do whoever it is about: permissions on one entity alone are left out."""
    return BY_KIND.get(token.kind, token.permissions)


def check_grantable(maker: Caller, wanted: Token) -> None:
    """A token never grants more than its maker has: permissions, on one entity or on all, models, providers and time.

    One with limits, of calls or of money, makes none at all, because two tokens would have twice as much. One of the
    kind fineGrained makes only such, because the other kinds get every permission that there will ever be.
    Raises Refusal `scope_missing` for the first thing that the maker's own token lacks.
    """
    _check_permissions(maker, wanted)
    mine = maker.token
    if mine.kind == "fineGrained" != wanted.kind:
        raise _beyond(maker, "kind", "fineGrained")
    for what, own, asked in (("models", mine.models, wanted.models), ("providers", mine.providers, wanted.providers)):
        if own is not None and (asked is None or not asked <= own):
            raise _beyond(maker, what, ", ".join(sorted(own)) or "none")
    if mine.expires_at is not None and (wanted.expires_at is None or wanted.expires_at > mine.expires_at):
        raise _beyond(maker, "time", "until it expires itself")
    if mine.limits != Limits():
        raise _beyond(maker, "limits", "limits of its own, and two tokens would have twice as much")


def _check_permissions(maker: Caller, wanted: Token) -> None:
    for scope in sorted(everywhere(wanted)):
        require(maker, scope)
        if scope not in everywhere(maker.token):
            raise _beyond(maker, scope, "on single entities alone")
    for grant in wanted.grants:
        for scope in sorted(grant.permissions):
            require(maker, scope, (grant.entity_type, grant.entity_name))


def _missing(caller: Caller, scope: str, entity: Entity) -> Refusal:
    kind, name = entity
    doing = MEANINGS.get(scope, scope)
    has = ", ".join(sorted(caller.scopes)) or "nothing"
    return Refusal(
        "scope_missing",
        f"This token does not have sufficient permissions to {doing} on behalf of {kind} {name}: it lacks {scope}.",
        why=f"token {caller.token.name!r} is of the kind {caller.token.kind} and may: {has}",
        fix=f"Use a token with the permission {scope} on {kind} {name}, or of the kind write{_paid_by(caller, scope)}.",
        extra={"permission": scope, "entity": {"type": kind, "name": name}},
    )


def _paid_by(caller: Caller, scope: str) -> str:
    """A token may be for the calls of an organisation alone."""
    others = [one.entity_name for one in caller.token.grants if one.entity_type == "org" and scope in one.permissions]
    if scope != INFERENCE or not others or scope in caller.scopes:
        return ""
    return f", or send X-HF-Bill-To: {others[0]}, for which this one has it"


def _beyond(maker: Caller, what: str, own: str) -> Refusal:
    return Refusal(
        "scope_missing",
        f"A token cannot grant more than the one it is made with: {what}.",
        why=f"token {maker.token.name!r} itself has {what}: {own}",
        fix=f"Ask for {what} within that, or use a token without such a restriction.",
        extra={"permission": what, "entity": {"type": "user", "name": maker.user.name}},
    )
