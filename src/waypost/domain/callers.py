"""Who calls, with which token, and what that token may do."""

from __future__ import annotations

from dataclasses import dataclass, field

from waypost.domain.endpoints import Preferences
from waypost.domain.payers import Payer

INFERENCE = "inference.serverless.write"
SETTINGS = "user.settings"
BILLING_READ = "user.billing.read"
ORG_BILLING_READ = "org.billing.read"
ORG_SETTINGS = "org.settings"
CREDITS_WRITE = "credits.write"
"""Of operators."""
SCOPES = (INFERENCE, SETTINGS, BILLING_READ, ORG_BILLING_READ, ORG_SETTINGS, CREDITS_WRITE)
KINDS = ("read", "write", "fineGrained")


@dataclass(frozen=True, slots=True)
class Grant:
    """Permissions on one entity: Hugging Face's `scoped` entry of a fine-grained token."""

    entity_type: str
    """`user` or `org`."""
    entity_name: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a token may use; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    streams_at_once: int | None = None
    spending_nano_usd_per_month: int | None = None
    """Whoever pays."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as we keep it: everything but the secret."""

    id: int
    digest: bytes
    """HMAC-SHA-256 of the secret with the pepper, 32 bytes."""
    user_id: int
    name: str
    kind: str
    """`read`, `write` or `fineGrained`."""
    last4: str
    created_at: int
    """Unix milliseconds, like every `_at`."""
    expires_at: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None
    permissions: frozenset[str] = field(default_factory=frozenset)
    """Global permissions of a fine-grained token."""
    grants: tuple[Grant, ...] = ()
    models: frozenset[str] | None = None
    """Models it may call; None is all."""
    providers: frozenset[str] | None = None
    """Providers it may use; None is all."""
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class User:
    """A person or a program that holds tokens."""

    id: int
    name: str
    """Unique, 1-64 of `a-z 0-9 - _ .`, starts with a letter or digit."""
    fullname: str = ""
    email: str = ""
    operator: bool = False
    """Sees every request and the unknown callers."""
    created_at: int = 0
    preferences: Preferences = field(default_factory=Preferences)
    spending_limit: int | None = None
    """Nano-USD a month, of what the user pays itself."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a live token. Built once per token and kept until something about it changes."""

    user: User
    token: Token
    scopes: frozenset[str]
    """What the token may do in its user's name, its kind unfolded."""
    version: int = 0
    """Counts changes of this caller's rights, so that plans made for it can be kept."""
    payer: Payer | None = None
    """Who pays where a call names nobody; None where that must be refused, which `identity` explains."""
