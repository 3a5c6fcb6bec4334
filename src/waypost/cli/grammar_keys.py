"""Commands about own keys for providers: what they are called, take and say of themselves. See `options.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from waypost.cli.options import PROVIDER, Resource, done_by, folder_options, format_option

Declared = TypeVar("Declared", bound=Callable[..., Any])


def owner_options(declared: Declared) -> Declared:
    """Whose key it is."""
    declared = click.option("--org", help="An organisation's, instead of a user's.")(declared)
    return click.option("--user", help="Whose it is.  [default: the first operator]")(declared)


@click.group(cls=Resource)
def keys() -> None:
    """List, set and remove own keys for providers, of users and organisations. Calls with them use no credits."""


@keys.command("list")
@click.option("--user", help="Only this user's.")
@click.option("--org", help="Only this organisation's.")
@folder_options
@format_option
@done_by("key_desk:show_keys")
def list_keys(**given: Any) -> None:
    """Own keys, without the keys themselves."""


@keys.command("set")
@click.argument("provider", type=PROVIDER)
@owner_options
@click.option("--label", help="What it is called in lists and waybills.  [default: the provider]")
@click.option("--key-env", metavar="NAME", help="Take the key from this environment variable, not from stdin.")
@folder_options
@format_option
@done_by("key_desk:set_key")
def set_key(**given: Any) -> None:
    """Keep an own key for a provider, read from stdin. It is sealed, and never shown again."""


@keys.command("remove")
@click.argument("provider", type=PROVIDER)
@owner_options
@folder_options
@format_option
@done_by("key_desk:remove_key")
def remove_key(**given: Any) -> None:
    """Forget an own key. No worker of a running server uses it any more when this returns."""


@keys.command("rotate")
@folder_options
@format_option
@done_by("key_desk:rotate_keys")
def rotate_keys(**given: Any) -> None:
    """Seal everything anew, and throw the old key away. A running server goes on meanwhile."""
