"""Models and providers that a command is told by name: one that nobody here has heard of is more likely a slip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from waypost.cli.access import router_for
from waypost.cli.exits import Stop
from waypost.cli.offers import catalogue_of
from waypost.cli.options import Where, usage_error
from waypost.cli.whereabouts import read_standing
from waypost.domain.problems import Problem
from waypost.domain.tables import did_you_mean
from waypost.routing.catalogue import Catalogue
from waypost.settings import Settings

FORCE: Final = "--force takes a name that is yet to come."


def require_models(where: Where, settings: Settings, option: str, names: Iterable[str]) -> None:
    """Raises Stop for the first name that is no model's, here or at the server that runs."""
    names = tuple(names)
    if not names:
        return
    catalogue = catalogue_of(settings)
    unknown = [name for name in names if catalogue.find(name) is None]
    if unknown:
        served = _served(where, settings)
        unknown = [name for name in unknown if name not in served]
    if unknown:
        raise _no_model(option, unknown[0], catalogue)


def require_providers(where: Where, settings: Settings, option: str, slugs: Iterable[str]) -> None:
    """Raises Stop for the first slug that is no provider's, likewise."""
    slugs = tuple(slugs)
    if not slugs:
        return
    known = catalogue_of(settings).providers
    unknown = [slug for slug in slugs if slug not in known]
    if unknown:
        served = {slug for slugs_of_model in _served(where, settings).values() for slug in slugs_of_model}
        unknown = [slug for slug in unknown if slug not in served]
    if unknown:
        near = did_you_mean(unknown[0], known) or "."
        raise usage_error(
            f"{option}: there is no provider {unknown[0]!r}{near}",
            f"`waypost providers list --all` lists those there are; {FORCE}",
        )


def _no_model(option: str, name: str, catalogue: Catalogue) -> Stop:
    model, colon, tag = name.partition(":")
    if colon and catalogue.find(model) is not None:
        return usage_error(f"{option}: {name!r} names more than a model.", f"Leave :{tag} out.")
    near = " or ".join(f'"{one}"' for one in catalogue.nearest(name))
    meant = f"; did you mean {near}?" if near else "."
    hint = f"`waypost models list` lists those there are; {FORCE}"
    return usage_error(f"{option}: there is no model {name!r}{meant}", hint)


def _served(where: Where, settings: Settings) -> dict[str, Sequence[str]]:
    """Model → its providers, as the running server has them: it may have been started with other settings."""
    if read_standing(settings.data_folder) is None:
        return {}
    try:
        entries = router_for(Where(data=where.data, config=where.config)).get("/v1/models")["data"]
    except (Stop, Problem):
        return {}
    return {entry["id"]: [row["provider"] for row in entry["providers"]] for entry in entries}
