"""Who may pay for a call: users and organisations, and what an organisation allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from waypost.domain.endpoints import Preferences

ROLES: Final = ("read", "write", "admin")
"""Of a member, from the least on: each may do what those before it may."""
USER: Final = "user"
ORGANISATION: Final = "organisation"
ADMINS_SHOWN_MAX: Final = 3


def at_least(role: str, least: str) -> bool:
    """Whether a role may do what takes `least`."""
    return ROLES.index(role) >= ROLES.index(least)


class SpendingLimit(NamedTuple):
    """How much somebody may spend in a UTC month."""

    subject: str
    """Who is counted: `user:1`, `org:3`, `member:3:1` (organisation, user), `token:9`."""
    nano_usd: int
    shown: str
    """Whose limit it is, for people: `organisation acme`, `token 'ci'`."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an organisation allows to be done on its account. None allows everything."""

    models: frozenset[str] | None = None
    disabled_models: frozenset[str] = frozenset()
    providers: frozenset[str] | None = None
    billers: str = "write"
    """The least role whose members may bill to it."""
    price_demanded: bool = False
    """Endpoints without a known price may not serve what it pays."""
    keys_then_credits: bool = False
    """Where a provider fails on its own key, another may be tried on its credits."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """Several users' common account."""

    id: int
    name: str
    """Unique among organisations and users."""
    fullname: str = ""
    created_at: int = 0
    spending_limit: int | None = None
    """Nano-USD a month."""
    member_spending_limit: int | None = None
    """For each member that has none of its own."""
    included: int | None = None
    """Credits that come with each month, in nano-USD; None is what the settings say."""
    preferences: Preferences = field(default_factory=Preferences)
    """Its order of providers follows the caller's own; its disabled providers are out for everybody it pays for."""
    rules: Rules = Rules()


@dataclass(frozen=True, slots=True)
class Member:
    """A user in an organisation."""

    organisation_id: int
    user_id: int
    role: str
    spending_limit: int | None = None
    added_at: int = 0
    removed_at: int | None = None
    """Who left is told of once more, so that every process hears it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an organisation says about the routes of what it pays for. One object until something about it changes."""

    organisation: str
    admins: tuple[str, ...]
    """Names of those who may change it."""
    preferences: Preferences
    rules: Rules

    @property
    def whom(self) -> str:
        """Whom to ask for a change: `an admin of acme (ann, bob)`."""
        return whom_to_ask(self.organisation, self.admins)


def whom_to_ask(organisation: str, admins: tuple[str, ...]) -> str:
    """Whom to ask for a change of an organisation."""
    if not admins:
        return f"the operator, for {organisation} has no admin"
    more = f" and {len(admins) - ADMINS_SHOWN_MAX} more" if len(admins) > ADMINS_SHOWN_MAX else ""
    return f"an admin of {organisation} ({', '.join(admins[:ADMINS_SHOWN_MAX])}{more})"


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose credits a call uses. Built once for each caller and payer, and kept until something about them changes."""

    type: str
    """`user` or `organisation`."""
    id: int
    name: str
    account: str
    """The ledger's name for it: `user:1` or `org:3`."""
    limits: tuple[SpendingLimit, ...] = ()
    """Every limit that applies, from the widest to the narrowest."""
    preferences: Preferences | None = None
    """An organisation's, None where a user pays."""
    rules: Rules | None = None
    """As `preferences`."""
    terms: Terms | None = None
    """What an organisation says about routes; None where a user pays, and where it says nothing."""
