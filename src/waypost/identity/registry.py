"""Who are you, and who pays? Every user, token and organisation in memory, and the answer to each call ready-made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

from waypost.domain.callers import INFERENCE, Caller, Token, User
from waypost.domain.payers import Member, Organisation, Payer
from waypost.domain.problems import Refusal
from waypost.identity.credentials import CHALLENGE, bearer, fault_of
from waypost.identity.paying import Billing
from waypost.identity.scopes import check_grantable, require, unfolded
from waypost.identity.tokens import Digester

BEARER: Final = b"Bearer "
SHARED_MAX: Final = 10_000
T = TypeVar("T")


class Change(Protocol):
    """Something that was made or changed, in its new state."""

    @property
    def value(self) -> object: ...


class Identity:
    """Tells callers by their tokens. `pepper` is what digests are made with, `clock_ms` Unix milliseconds."""

    def __init__(self, pepper: bytes, clock_ms: Callable[[], int]) -> None:
        self._digest = Digester(pepper).digest
        self._clock_ms = clock_ms
        self._callers: dict[bytes, Caller] = {}
        """By digest: tokens that are live but for their expiry."""
        self._users: dict[int, User] = {}
        self._tokens: dict[int, Token] = {}
        self._tokens_of: dict[int, list[int]] = {}
        self._revoked: dict[bytes, int] = {}
        """Digest → token id."""
        self._shared: dict[Any, Any] = {}
        self._used: set[int] = set()
        self._billing = Billing(self._users)
        self.memberships = self._billing.memberships
        self._put: Final[dict[type, Callable[[Any], None]]] = {
            User: self._put_user,
            Token: self._put_token,
            Organisation: self._put_organisation,
            Member: self._put_member,
        }

    def load(
        self,
        users: Iterable[User],
        tokens: Iterable[Token],
        organisations: Iterable[Organisation] = (),
        members: Iterable[Member] = (),
    ) -> None:
        """Begin with everybody the store knows."""
        for user in users:
            self._put_user(user)
        for organisation in organisations:
            self._put_organisation(organisation)
        for member in members:
            self._put_member(member)
        for token in tokens:
            self._put_token(token)

    def apply(self, changes: Iterable[Change]) -> None:
        """Take in what was changed since, in its order."""
        for change in changes:
            put = self._put.get(type(change.value))
            if put is not None:  # keys of providers are the keyring's
                put(change.value)

    def who(self, authorization: bytes | None) -> Caller:
        """The caller behind an Authorization header.

        Raises Refusal `token_missing`, `token_malformed`, `token_unknown`, `token_revoked` or `token_expired`.
        """
        if authorization is not None and authorization.startswith(BEARER):
            caller = self._callers.get(self._digest(authorization[7:]))
            if caller is not None:
                token = caller.token
                if token.expires_at is None or token.expires_at > self._clock_ms():
                    self._used.add(token.id)
                    return caller
        return self._who_else(authorization)

    def require(self, caller: Caller, scope: str) -> None:
        """Raises Refusal `scope_missing` where the token may not do this in its user's name."""
        if scope not in caller.scopes:
            require(caller, scope)

    def payer(self, caller: Caller, bill_to: str | None) -> Payer:
        """Who pays for a call: the organisation of this name or id, the user by its own name, else the user's default.

        Raises Refusal `organisation_unknown`, `not_a_member`, `organisation_forbids` or `scope_missing`.
        """
        if bill_to is None and caller.payer is not None:
            return caller.payer
        return self._billing.payer(caller, bill_to)

    def payer_named(self, caller: Caller, name: str) -> str:
        """The name of the organisation of this name or id, which may be the caller's default payer.

        Raises Refusal `organisation_unknown`, `not_a_member` or `organisation_forbids`.
        """
        return self._billing.named(caller.user, name).name

    def check_grantable(self, maker: Caller, wanted: Token) -> None:
        """A token never grants more than its maker has, and on organisations nothing where its maker is no member.

        Raises Refusal `scope_missing`, `organisation_unknown` or `not_a_member`.
        """
        check_grantable(maker, wanted)
        for grant in wanted.grants:
            if grant.entity_type == "org":
                self._billing.require_member(maker.user, grant.entity_name)

    def digest(self, secret: str) -> bytes:
        """What the store keeps of a token's secret."""
        return self._digest(secret.encode())

    def take_used(self) -> dict[int, int]:
        """Tokens that were used since this was last asked, with the time: for the store's `token.used`."""
        now = self._clock_ms()
        used, self._used = self._used, set()
        return dict.fromkeys(used, now)

    def _who_else(self, authorization: bytes | None) -> Caller:
        """Everything but a live token in the usual spelling: a header that needs a closer look, or a refusal."""
        secret = bearer(authorization)
        digest = self._digest(secret.encode("latin-1"))
        if digest in self._revoked:
            raise _revoked(self._tokens[self._revoked[digest]])
        caller = self._callers.get(digest)
        if caller is None:
            raise fault_of(secret) or _unknown()
        expires_at = caller.token.expires_at
        if expires_at is not None and expires_at <= self._clock_ms():
            raise _expired(caller.token)
        self._used.add(caller.token.id)
        return caller

    def _put_user(self, user: User) -> None:
        self._users[user.id] = replace(user, preferences=self._same(user.preferences))
        self._billing.forget_user(user.id)
        self._make_callers(user.id)

    def _put_organisation(self, organisation: Organisation) -> None:
        self.memberships.put_organisation(
            replace(
                organisation, preferences=self._same(organisation.preferences), rules=self._same(organisation.rules)
            )
        )
        self._terms_changed(organisation)

    def _put_member(self, member: Member) -> None:
        admins_changed = self.memberships.put_member(member)
        self._make_callers(member.user_id)
        organisation = self.memberships.by_id(member.organisation_id)
        if admins_changed and organisation is not None:
            self._terms_changed(organisation)

    def _terms_changed(self, organisation: Organisation) -> None:
        """Those who have it as their default payer carry what it says with them."""
        self._billing.forget()
        for member in self.memberships.members(organisation):
            user = self._users.get(member.user_id)
            if user is not None and user.preferences.payer is not None:
                self._make_callers(user.id)

    def _put_token(self, token: Token) -> None:
        if token.models is not None or token.providers is not None:
            token = replace(token, models=self._same(token.models), providers=self._same(token.providers))
        if token.id not in self._tokens:
            self._tokens_of.setdefault(token.user_id, []).append(token.id)
        self._tokens[token.id] = token
        if token.revoked_at is not None:
            self._callers.pop(token.digest, None)
            self._revoked[token.digest] = token.id
        else:
            self._make_caller(token)

    def _make_caller(self, token: Token) -> None:
        user = self._users.get(token.user_id)
        if user is None or token.revoked_at is not None:
            return
        before = self._callers.get(token.digest)
        version = 0 if before is None else before.version + 1
        caller = Caller(user, token, self._same(unfolded(token, user)), version)
        self._callers[token.digest] = replace(caller, payer=self._default_payer(caller))

    def _make_callers(self, user_id: int) -> None:
        for token_id in self._tokens_of.get(user_id, ()):
            self._make_caller(self._tokens[token_id])

    def _default_payer(self, caller: Caller) -> Payer | None:
        if caller.user.preferences.payer is None:
            return self._billing.personal(caller.user, caller.token) if INFERENCE in caller.scopes else None
        try:
            return self._billing.payer(caller, None)
        except Refusal:
            return None

    def _same(self, value: T) -> T:
        """One object for all equal values: plans are kept by the identity of what a caller may do."""
        if len(self._shared) > SHARED_MAX:
            self._shared.clear()
        same: T = self._shared.setdefault(value, value)
        return same


def _unknown() -> Refusal:
    return Refusal(
        "token_unknown",
        "Nobody here has this token.",
        why="the token is whole, but it was not made by this router, or its data was lost",
        fix="Check that token and address belong to the same router, or make a new one with `waypost tokens create`.",
        headers=CHALLENGE,
    )


def _revoked(token: Token) -> Refusal:
    return Refusal(
        "token_revoked",
        f"The token {token.name!r} was revoked.",
        why=f"it was revoked on {_day(token.revoked_at)} and never works again",
        fix="Make a new one with `waypost tokens create`.",
        headers=CHALLENGE,
    )


def _expired(token: Token) -> Refusal:
    return Refusal(
        "token_expired",
        f"The token {token.name!r} has expired.",
        why=f"it was valid until {_day(token.expires_at)}",
        fix="Make a new one with `waypost tokens create`.",
        headers=CHALLENGE,
    )


def _day(unix_ms: int | None) -> str:
    return datetime.fromtimestamp((unix_ms or 0) / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
