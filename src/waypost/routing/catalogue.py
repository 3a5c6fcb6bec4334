"""The catalogue: every model and every endpoint that runs it. Never changes; new settings make a new one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from waypost.domain.endpoints import Model, Provider
from waypost.routing.nearest import Spellings
from waypost.routing.policies import POLICIES

ALIAS_HOPS_MAX: Final = 8


class Catalogue:
    """Models and providers by id, with constant-time look-ups.

    `models` holds every row as it was given; `find` is what follows aliases.
    """

    __slots__ = ("_native", "_spellings", "models", "providers", "version")

    def __init__(self, models: dict[str, Model], providers: dict[str, Provider], version: str = "") -> None:
        self.models = models
        self.providers = providers
        self.version = version
        self._native = _native_ids(models.values())
        self._spellings: Spellings | None = None

    @classmethod
    def build(cls, providers: Iterable[Provider], models: Iterable[Model], version: str = "") -> Catalogue:
        """A catalogue from rows. A model listed twice has the endpoints of both rows; the first row says the rest.

        Raises ValueError, saying what is wrong, for what cannot be routed: a provider named like a policy, an alias
        that leads nowhere.
        """
        by_slug = {provider.slug: provider for provider in providers}
        by_id: dict[str, Model] = {}
        for model in models:
            first = by_id.get(model.id)
            by_id[model.id] = model if first is None else _joined(first, model)
            for endpoint in model.endpoints:
                if endpoint.provider not in by_slug:
                    by_slug[endpoint.provider] = Provider(endpoint.provider, "")
        catalogue = cls(by_id, by_slug, version)
        catalogue._check()
        return catalogue

    def find(self, model_id: str) -> Model | None:
        """The model of that id, aliases followed."""
        model = self.models.get(model_id)
        for _ in range(ALIAS_HOPS_MAX):
            if model is None or model.alias_of is None:
                return model
            model = self.models.get(model.alias_of)
        return None

    def by_native_id(self, provider: str, native_id: str) -> Model | None:
        """The model that a provider knows by its own id."""
        hub_id = self._native.get(provider, {}).get(native_id)
        return None if hub_id is None else self.models[hub_id]

    def nearest(self, model_id: str) -> list[str]:
        """Ids spelled nearly like this one, best first. Meant for refusals; takes a few milliseconds at most."""
        if self._spellings is None:
            self._spellings = Spellings(self.models)
        return self._spellings.nearest(model_id)

    def _check(self) -> None:
        for slug in self.providers:
            if slug in POLICIES:
                raise ValueError(f"provider {slug!r} is named like a policy; give it another name")
        for model in self.models.values():
            if model.alias_of is not None and self.find(model.id) is None:
                raise ValueError(f"model {model.id!r} is an alias of {model.alias_of!r}, which leads to no model")


def _joined(first: Model, second: Model) -> Model:
    known = {endpoint.provider for endpoint in first.endpoints}
    more = tuple(endpoint for endpoint in second.endpoints if endpoint.provider not in known)
    return replace(first, endpoints=first.endpoints + more)


def _native_ids(models: Iterable[Model]) -> dict[str, dict[str, str]]:
    """Provider → its own id → our id, where they differ or may be asked for; of two claims the first stands."""
    native: dict[str, dict[str, str]] = {}
    for model in models:
        for endpoint in model.endpoints:
            ids = native.get(endpoint.provider)
            if ids is None:
                ids = native[endpoint.provider] = {}
            ids.setdefault(endpoint.id, model.id)
    return native
