"""/api/settings/tokens: a user's tokens over HTTP: list, make, revoke.

A token never makes one that may do more than itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec
from starlette.responses import Response

from waypost.domain.callers import INFERENCE, KINDS, SCOPES, Caller, Grant, Limits, Token
from waypost.domain.problems import Refusal
from waypost.domain.tables import did_you_mean
from waypost.door.cold import Ask, Handler, json_response
from waypost.door.forms import invalid, iso, read_form
from waypost.door.requests import ReadingRoom
from waypost.identity.tokens import Minted

NAMES_MAX: Final = 1_000
SHOWN_CHARS_MAX: Final = 80
ID_DIGITS_MAX: Final = 18
COUNT_MAX: Final = 1_000_000_000
NANO_USD_MAX: Final = 9_000_000_000_000_000_000


class Entity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom permissions of a fine-grained token are about."""

    type: str
    name: str


class ScopedForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Permissions on one entity."""

    entity: Entity
    permissions: list[str]


class LimitsForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a token may use; null is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    streams_at_once: int | None = None
    spending_nano_usd_per_month: int | None = None


class TokenForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token to be made. As little as will do, unless more is asked for: it may call models, and nothing else."""

    name: str
    kind: str = "fineGrained"
    permissions: list[str] | None = None
    scoped: list[ScopedForm] = []
    expires_at: str | None = None
    models: list[str] | None = None
    providers: list[str] | None = None
    limits: LimitsForm = LimitsForm()


class Books(Protocol):
    """Runs write commands. Raises Problem."""

    async def run(self, command: str, args: dict[str, Any]) -> Any: ...


class TokenReader(Protocol):
    """Reads tokens. Blocking."""

    def tokens(self) -> list[Token]: ...


class Identity(Protocol):
    """Knows what a token may grant, and what is kept of its secret. Raises Refusal."""

    def check_grantable(self, maker: Caller, wanted: Token) -> None: ...
    def digest(self, secret: str) -> bytes: ...


class TokenRoutes:
    """Answers for the routes. `mint` makes a secret; `clock_ms` is Unix milliseconds."""

    def __init__(
        self,
        books: Books,
        reader: TokenReader,
        room: ReadingRoom,
        mint: Callable[[], Minted],
        identity: Identity,
        clock_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._reader = reader
        self._room = room
        self._mint = mint
        self._identity = identity
        self._clock_ms = clock_ms

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {
            "list_tokens": self.list_tokens,
            "create_token": self.create_token,
            "revoke_token": self.revoke_token,
        }

    async def list_tokens(self, ask: Ask) -> Response:
        """The caller's own, but for revoked ones."""
        own = await self._own(ask.user.user.id)
        return json_response({"object": "list", "data": [shown(token) for token in own if token.revoked_at is None]})

    async def create_token(self, ask: Ask) -> Response:
        """The secret stands in this answer and nowhere else, ever."""
        form = await read_form(ask.http, TokenForm)
        wanted = _wanted(form, ask.user.user.id, self._clock_ms())
        self._identity.check_grantable(ask.user, wanted)
        minted = self._mint()
        rights = {
            "permissions": sorted(wanted.permissions),
            "grants": msgspec.to_builtins(wanted.grants),
            "models": None if wanted.models is None else sorted(wanted.models),
            "providers": None if wanted.providers is None else sorted(wanted.providers),
            "limits": msgspec.to_builtins(wanted.limits),
        }
        made = await self._books.run(
            "token.create",
            {
                "user": ask.user.user.name,
                "name": wanted.name,
                "kind": wanted.kind,
                "digest": self._identity.digest(minted.secret),
                "last4": minted.last4,
                "expires_at": wanted.expires_at,
                **rights,
            },
        )
        return json_response({**shown(made), "secret": minted.secret}, 201, {"cache-control": "no-store"})

    async def revoke_token(self, ask: Ask) -> Response:
        """Revoked in every process when it answers. Another user's token is as unknown as one that never was."""
        text = ask.hole("id")
        own = {token.id: token for token in await self._own(ask.user.user.id)}
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX else None
        if number not in own:
            raise Refusal(
                "not_found",
                f"There is no token {text[:SHOWN_CHARS_MAX]!r} of yours.",
                why="none of your tokens has this id",
                fix="GET /api/settings/tokens lists them.",
            )
        return json_response(shown(await self._books.run("token.revoke", {"id": number})))

    async def _own(self, user_id: int) -> list[Token]:
        def look() -> list[Token]:
            return [token for token in self._reader.tokens() if token.user_id == user_id]

        return await self._room.read(look)


def shown(token: Token) -> dict[str, Any]:
    """A token as the API writes it. What it does not have is left out."""
    times = {"expires_at": token.expires_at, "last_used_at": token.last_used_at, "revoked_at": token.revoked_at}
    allowed = {"models": token.models, "providers": token.providers}
    limits = msgspec.to_builtins(token.limits)
    return {
        "id": token.id,
        "name": token.name,
        "kind": token.kind,
        "last4": token.last4,
        "created_at": iso(token.created_at),
        **{name: iso(ms) for name, ms in times.items() if ms is not None},
        "permissions": sorted(token.permissions),
        "scoped": [
            {
                "entity": {"type": grant.entity_type, "name": grant.entity_name},
                "permissions": sorted(grant.permissions),
            }
            for grant in token.grants
        ],
        **{name: sorted(names) for name, names in allowed.items() if names is not None},
        "limits": {name: limit for name, limit in limits.items() if limit is not None},
    }


def _wanted(form: TokenForm, user_id: int, now_ms: int) -> Token:
    """The token that is asked for, every field checked."""
    if form.kind not in KINDS:
        raise invalid("kind", f"one of {', '.join(KINDS)}", f"it is {form.kind[:SHOWN_CHARS_MAX]!r}")
    fine = form.kind == "fineGrained"
    if not fine and (form.permissions is not None or form.scoped):
        raise invalid("permissions", "left out where the kind is not fineGrained")
    permissions = [INFERENCE] if fine and form.permissions is None and not form.scoped else form.permissions or []
    grants = tuple(_grant(scoped) for scoped in form.scoped)
    return Token(
        0, b"", user_id, form.name, form.kind, "", now_ms,
        expires_at=_end(form.expires_at, now_ms),
        permissions=_permissions(permissions, "permissions"),
        grants=grants,
        models=_names(form.models, "models"),
        providers=_names(form.providers, "providers"),
        limits=_limits(form.limits),
    )  # fmt: skip


def _grant(form: ScopedForm) -> Grant:
    if form.entity.type not in {"user", "org"}:
        raise invalid("scoped", 'about an entity whose type is "user" or "org"')
    return Grant(form.entity.type, form.entity.name, _permissions(form.permissions, "scoped"))


def _permissions(words: list[str], field: str) -> frozenset[str]:
    wrong = next((word for word in words if word not in SCOPES), None)
    if wrong is not None:
        raise invalid(
            field,
            f"permissions out of {', '.join(SCOPES)}",
            f"{wrong[:SHOWN_CHARS_MAX]!r} is none{did_you_mean(wrong[:SHOWN_CHARS_MAX], SCOPES)}",
        )
    return frozenset(words)


def _end(text: str | None, now_ms: int) -> int | None:
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
        ms = int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise invalid("expires_at", 'an ISO time such as "2027-01-01T00:00:00Z"', "it is none") from None
    if ms <= now_ms:
        raise invalid("expires_at", "in the future", f"it is {iso(ms)}")
    return ms


def _names(words: list[str] | None, field: str) -> frozenset[str] | None:
    if words is not None and (len(words) > NAMES_MAX or not all(words)):
        raise invalid(field, f"at most {NAMES_MAX} names, or null for all")
    return None if words is None else frozenset(words)


def _limits(form: LimitsForm) -> Limits:
    limits = msgspec.to_builtins(form)
    for name, limit in limits.items():
        least, most = (0, NANO_USD_MAX) if name == "spending_nano_usd_per_month" else (1, COUNT_MAX)
        if limit is not None and not least <= limit <= most:
            raise invalid("limits", f"whole numbers, or null; {name} from {least} to {most:,}", f"it is {limit}")
    return Limits(**limits)
