"""What a server on this folder and these settings would offer: real providers, and practice ones where it would."""

from __future__ import annotations

from waypost.app import Practice, build_catalogue
from waypost.cli.whereabouts import read_standing
from waypost.practice.profiles import BUILT_IN, catalogue_rows
from waypost.routing.catalogue import Catalogue
from waypost.settings import Settings


def catalogue_of(settings: Settings) -> Catalogue:
    """Every model and provider, as `waypost serve` puts them together.

    Practice providers get their addresses when a server starts; where none runs, theirs are empty.
    """
    if settings.practice.enabled is False:
        return build_catalogue(settings, None)[0]
    standing = read_standing(settings.data_folder)
    running = standing.practice if standing is not None else {}
    addresses = {profile.slug: running.get(profile.slug, "") for profile in BUILT_IN}
    return build_catalogue(settings, Practice(*catalogue_rows(addresses)))[0]
