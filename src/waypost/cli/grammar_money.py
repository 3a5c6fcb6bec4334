"""Commands about credits, organisations, usage and the books: what they are called, take and say. See `options.py`.

They work on the data folder, whether a server runs on it or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from waypost.cli.options import Command, Resource, done_by, folder_options, format_option

Declared = TypeVar("Declared", bound=Callable[..., Any])
ROLES: Final = ("read", "write", "admin")
GROUPS: Final = ("day", "model", "provider", "token", "member", "session")
"""As the house has them; a test compares."""
EVERY_CALL: Final = "request"


def transfer_options(declared: Declared) -> Declared:
    """What can be said of credits that move."""
    declared = click.option("--note", default="", help="Why; it is kept with it.")(declared)
    return click.option("--outside-id", metavar="ID", help="A name of yours for it: the same twice is once.")(declared)


expires_option = click.option("--expires", help="When what is left of it ends: 90d, or an ISO date.  [default: never]")


@click.group(cls=Resource)
def credits() -> None:  # noqa: A001 (the command's name)
    """Show, give and take back credits. Amounts are USD, to the last digit."""


@credits.command("show")
@click.argument("name", required=False)
@folder_options
@format_option
@done_by("credit_desk:show_credits")
def show_credits(**given: Any) -> None:
    """What a user or organisation has; without NAME, everybody."""


@credits.command("grant")
@click.argument("name")
@click.argument("amount")
@transfer_options
@expires_option
@folder_options
@format_option
@done_by("credit_desk:grant")
def grant(**given: Any) -> None:
    """Give credits to a user or organisation."""


@credits.command("topup")
@click.argument("name")
@click.argument("amount")
@transfer_options
@expires_option
@folder_options
@format_option
@done_by("credit_desk:top_up")
def topup(**given: Any) -> None:
    """Note credits that were paid for; --outside-id is the payment's name."""


@credits.command("refund")
@click.argument("what", metavar="NAME|req_…")
@click.argument("amount", required=False)
@transfer_options
@folder_options
@format_option
@done_by("credit_desk:refund")
def refund(**given: Any) -> None:
    """Give back what a request cost; or take back a user's or organisation's credits whose price is paid back."""


@credits.command("history")
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 10_000), metavar="N", default=50, show_default=True, help="How many.")
@folder_options
@format_option
@done_by("credit_desk:show_history")
def history(**given: Any) -> None:
    """What moved on an account besides calls, newest first."""


@credits.command("allow")
@click.argument("name")
@click.argument("amount")
@folder_options
@format_option
@done_by("credit_desk:allow")
def allow(**given: Any) -> None:
    """Let a user or organisation owe up to AMOUNT; 0 is the rule."""


def organisation_options(declared: Declared) -> Declared:
    """What can be said of an organisation."""
    fields = (
        click.option("--fullname", help="As people write it."),
        click.option("--spending-limit", metavar="USD", help="Of each month, for all it pays; none takes it away."),
        click.option("--member-limit", metavar="USD", help="The same for each member that has none of its own."),
        click.option("--included", metavar="USD", help="Credits that come with each month; none: as the settings say."),
        click.option("--billers", type=click.Choice(ROLES), help="Least role whose members may bill to it."),
        click.option("--models", help="The only models it pays for, with commas between; all lifts that."),
        click.option("--disabled-models", help="Models it does not pay for; an empty text for none."),
        click.option("--providers", help="The only providers it pays for; all lifts that."),
        click.option("--price-demanded/--no-price-demanded", default=None, help="Not without a known price."),
        click.option(
            "--keys-then-credits/--no-keys-then-credits", default=None, help="After its own key failed, use credits."
        ),
        click.option("--force", is_flag=True, help="Take models and providers that are not known here."),
    )
    for option in reversed(fields):
        declared = option(declared)
    return declared


@click.group(cls=Resource)
def orgs() -> None:
    """Make, list and change organisations, and say who is in them."""


@orgs.command("create")
@click.argument("name")
@click.option("--admin", help="The user who is its first admin.  [default: the first operator]")
@organisation_options
@folder_options
@format_option
@done_by("organisation_desk:create")
def create_organisation(**given: Any) -> None:
    """Make an organisation. It pays for nothing until it has credits: waypost credits grant NAME USD."""


@orgs.command("list")
@folder_options
@format_option
@done_by("organisation_desk:show_all")
def list_organisations(**given: Any) -> None:
    """Every organisation."""


@orgs.command("show")
@click.argument("name")
@folder_options
@format_option
@done_by("organisation_desk:show")
def show_organisation(**given: Any) -> None:
    """One organisation: its limits and rules."""


@orgs.command("set")
@click.argument("name")
@organisation_options
@folder_options
@format_option
@done_by("organisation_desk:change")
def change_organisation(**given: Any) -> None:
    """Change what is given of an organisation."""


@orgs.command("members")
@click.argument("name")
@folder_options
@format_option
@done_by("organisation_desk:show_members")
def list_members(**given: Any) -> None:
    """Who is in an organisation."""


@orgs.command("add-member")
@click.argument("name")
@click.argument("user")
@click.option("--role", type=click.Choice(ROLES), help="What it may do.  [default: as it is, read where it is new]")
@click.option("--spending-limit", metavar="USD", help="Of each month; none takes it away.")
@folder_options
@format_option
@done_by("organisation_desk:add_member")
def add_member(**given: Any) -> None:
    """Put a user into an organisation, or change its role or limit there."""


@orgs.command("remove-member")
@click.argument("name")
@click.argument("user")
@folder_options
@format_option
@done_by("organisation_desk:remove_member")
def remove_member(**given: Any) -> None:
    """Take a user out of an organisation, which pays for nothing of its from then on."""


@click.command(cls=Command)
@click.option(
    "--by",
    type=click.Choice((*GROUPS, EVERY_CALL)),
    multiple=True,
    help="What is added up; may be given again. request lists every call.  [default: day]",
)
@click.option("--org", metavar="NAME", help="What this organisation paid for.")
@click.option("--user", metavar="NAME", help="What this user paid for itself.")
@click.option("--since", help="From when on: 24h, 30d, or an ISO date.  [default: the beginning of this UTC month]")
@click.option("--until", help="Until when, likewise.  [default: now]")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values, amounts in nano-USD.")
@folder_options
@format_option
@done_by("usage_desk:show_usage")
def usage(**given: Any) -> None:
    """What calls came to: requests, tokens and cost, of everybody or of one account."""


@click.group(cls=Resource)
def ledger() -> None:
    """Prove the books, rebuild them, and compare them with what providers say."""


@ledger.command("verify")
@folder_options
@format_option
@done_by("ledger_desk:prove")
def verify(**given: Any) -> None:
    """Prove on the data as it is, while a server runs or not, what is always true; exit code 1 where it is not."""


@ledger.command("replay")
@click.option("--mend", is_flag=True, help="Write what was rebuilt.")
@folder_options
@format_option
@done_by("ledger_desk:rebuild")
def replay(**given: Any) -> None:
    """Rebuild balances from entries, and show what differs; exit code 1 where something does."""


@ledger.command("reconcile")
@click.option("--since", help="From when on: 24h, 30d, or an ISO date.  [default: the beginning of this UTC month]")
@folder_options
@format_option
@done_by("ledger_desk:compare")
def reconcile(**given: Any) -> None:
    """Compare what providers say that calls cost with what we charged."""
