"""A plan: the endpoints that can serve a call in order, and every endpoint left out with its reason."""

from __future__ import annotations

from typing import NamedTuple

from waypost.domain.endpoints import Deadlines, Endpoint, Provider


class Candidate(NamedTuple):
    """An endpoint the plan would try, and why it stands where it stands."""

    endpoint: Endpoint
    provider: Provider
    why: str
    """One phrase with the figure that decided: `212 tokens/s measured over 40 calls`."""
    own_key: str | None = None
    """Label of the payer's own key, where the provider bills its owner; None where the operator's key is used."""
    owner: str | None = None
    """The account whose key that is: `user:1`, `org:3`."""

    @property
    def pulse_key(self) -> tuple[str, ...]:
        """Under what the pulse knows it: nobody's own key spoils an endpoint for others."""
        key = self.endpoint.key
        return key if self.owner is None else (*key, self.owner)


class Exclusion(NamedTuple):
    """An endpoint that was left out."""

    provider: str
    reason: str
    """Stable code, such as `no_tools` or `circuit_open`."""
    why: str
    """The evidence, in one sentence."""
    until: str | None = None
    """ISO time after which this reason ends by itself."""
    fix: str = ""


class Plan(NamedTuple):
    """Who is tried in which order for one call."""

    model: str
    policy: str
    order: tuple[Candidate, ...]
    excluded: tuple[Exclusion, ...]
    deadlines: Deadlines
    explored: bool = False
    """The first endpoint was put there to be measured."""
