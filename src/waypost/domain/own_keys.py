"""Keys that users and organisations have at providers themselves: as they are kept, and opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """A key as it is kept: sealed for its owner, its provider and the provider's address."""

    id: int
    owner: str
    """The owner's account: `user:1`, `org:3`."""
    provider: str
    label: str
    base_url: str
    """Where it may be sent, and nowhere else."""
    sealed: bytes | None = field(repr=False)
    """None once it was removed."""
    last4: str
    created_at: int
    """Unix milliseconds."""


@dataclass(frozen=True, slots=True)
class OwnKey:
    """An opened one."""

    label: str
    base_url: str
    key: str | None = field(repr=False)
    """None where it cannot be opened. Never logged, never returned."""


@dataclass(frozen=True, slots=True, eq=False)
class OwnKeys:
    """All of one owner's. Another object whenever one of them changes, so that plans made with it can be kept."""

    owner: str
    by_provider: Mapping[str, OwnKey]
