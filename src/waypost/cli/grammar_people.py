"""Commands about users and tokens: what they are called, take and say of themselves. See `options.py`.

They work on the data folder, whether a server runs on it or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from waypost.cli.options import MODEL, PROVIDER, Resource, done_by, folder_options, format_option

Declared = TypeVar("Declared", bound=Callable[..., Any])
KINDS: Final = ("read", "write", "fineGrained")
SCOPES: Final = (
    "inference.serverless.write",
    "user.settings",
    "user.billing.read",
    "org.billing.read",
    "org.settings",
    "credits.write",
)
"""As `domain/callers.py` has them, which would take a third of the time that help has; a test compares."""
POLICIES: Final = ("fastest", "cheapest", "preferred")


def force_option(declared: Declared) -> Declared:
    """The way out for names that come later."""
    return click.option("--force", is_flag=True, help="Take models and providers that are not known here.")(declared)


@click.group(cls=Resource)
def tokens() -> None:
    """Make, list and revoke tokens. They work on the data folder, whether a server runs or not."""


@tokens.command("list")
@click.option("--user", help="Only this user's.")
@click.option("--all", "everything", is_flag=True, help="Revoked and expired ones, too.")
@folder_options
@format_option
@done_by("token_desk:show_tokens")
def list_tokens(**given: Any) -> None:
    """Tokens that can be used, without their secrets."""


@tokens.command("create")
@click.argument("name")
@click.option("--user", help="Whose it is.  [default: the first operator]")
@click.option("--kind", type=click.Choice(KINDS), default="fineGrained", show_default=True, help="What it may do.")
@click.option(
    "--permission",
    "permissions",
    type=click.Choice(SCOPES),
    multiple=True,
    metavar="SCOPE",
    help=f"Of a fineGrained one; may be given again: {', '.join(SCOPES)}.  [default: {SCOPES[0]}]",
)
@click.option("--expires", help="When it ends: 24h, 90d, or an ISO date or time.  [default: never]")
@click.option("--model", "models", type=MODEL, multiple=True, help="Only for this model; may be given again.")
@click.option("--provider", "providers", type=PROVIDER, multiple=True, help="Only at this provider, likewise.")
@click.option("--requests-per-minute", type=click.IntRange(1, 1_000_000_000), metavar="N", help="At most so many.")
@click.option("--tokens-per-minute", type=click.IntRange(1, 1_000_000_000), metavar="N", help="At most so many.")
@click.option("--streams-at-once", type=click.IntRange(1, 1_000_000_000), metavar="N", help="At most so many.")
@click.option("--spending-limit", metavar="USD", help="At most so much in a UTC month, whoever pays.")
@force_option
@folder_options
@format_option
@done_by("token_desk:create_token")
def create_token(**given: Any) -> None:
    """Make a token. Its secret goes to stdout, this once; --format quiet prints nothing else."""


@tokens.command("show")
@click.argument("which", metavar="NAME|ID")
@click.option("--user", help="Whose it is, where several users have one of that name.")
@folder_options
@format_option
@done_by("token_desk:show_token")
def show_token(**given: Any) -> None:
    """One token: what it may do, until when, and when it was last used."""


@tokens.command("revoke")
@click.argument("which", metavar="NAME|ID")
@click.option("--user", help="Whose it is, where several users have one of that name.")
@folder_options
@format_option
@done_by("token_desk:revoke_token")
def revoke_token(**given: Any) -> None:
    """Make a token invalid for good. Every worker of a running server refuses it when this returns."""


@click.group(cls=Resource)
def users() -> None:
    """Make, list and change users. They work on the data folder, whether a server runs or not."""


@users.command("list")
@folder_options
@format_option
@done_by("user_desk:show_users")
def list_users(**given: Any) -> None:
    """Every user."""


@users.command("show")
@click.argument("name")
@folder_options
@format_option
@done_by("user_desk:show_user")
def show_user(**given: Any) -> None:
    """One user: who it is, and how its calls are routed."""


def user_fields(declared: Declared) -> Declared:
    """What can be said of a user."""
    fields = (
        click.option("--fullname", help="As people write it."),
        click.option("--email", help="Where mail reaches it."),
        click.option("--operator/--no-operator", default=None, help="May see everybody's requests."),
        click.option("--policy", type=click.Choice(POLICIES), help="For calls that name none."),
        click.option("--order", help="Providers, most wanted first, with commas between; an empty text for none."),
        click.option("--disabled", help="Providers never to use, with commas between; an empty text for none."),
        click.option("--preferred-only/--no-preferred-only", default=None, help="Use none but those in --order."),
        click.option("--spending-limit", metavar="USD", help="Of what it pays in a UTC month; none takes it away."),
    )
    for option in reversed(fields):
        declared = option(declared)
    return declared


@users.command("create")
@click.argument("name")
@user_fields
@force_option
@folder_options
@format_option
@done_by("user_desk:create_user")
def create_user(**given: Any) -> None:
    """Make a user. It can do nothing until it has a token: waypost tokens create NAME --user USER."""


@users.command("set")
@click.argument("name")
@user_fields
@force_option
@folder_options
@format_option
@done_by("user_desk:change_user")
def change_user(**given: Any) -> None:
    """Change what is given of a user."""
