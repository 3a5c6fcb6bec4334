"""Commands that talk to a running server: what they are called, take and say of themselves. See `options.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from waypost.cli.options import (
    MODEL,
    POLICY_MODEL,
    PROVIDER,
    REQUEST,
    Command,
    Resource,
    done_by,
    folder_options,
    format_option,
    server_options,
)

Declared = TypeVar("Declared", bound=Callable[..., Any])
OUTCOMES: Final = ("delivered", "refused", "failed", "left")


@click.command(cls=Command)
@click.argument("prompt", nargs=-1)
@click.option("-m", "--model", type=POLICY_MODEL, envvar="WAYPOST_MODEL", metavar="MODEL[:POLICY]", help="Who answers.")
@click.option("-s", "--system", help="What the model is told beforehand.")
@click.option("--no-stream", "stream", is_flag=True, flag_value=False, default=True, help="Wait for the whole answer.")
@click.option("--raw", is_flag=True, help="The answer alone, exactly as it came, control characters and all.")
@server_options
@format_option
@done_by("talk:chat")
def chat(**given: Any) -> None:
    """Talk to a model. Without a PROMPT it is a conversation on a terminal; in a pipe the prompt is read from stdin.

    Words go to stdout; provider, speed, tokens, cost and request id to stderr after each answer. Ctrl-C stops an
    answer. In a conversation /help lists what else can be said.
    """


@click.command(cls=Command)
@click.argument("target", type=POLICY_MODEL, metavar="MODEL[:POLICY]|REQUEST")
@click.option("--prompt", default="Hello!", help="What would be asked.")
@click.option("--tools", is_flag=True, help="The call would offer a tool.")
@click.option("--structured", is_flag=True, help="The call would want JSON of a schema.")
@click.option("--image", is_flag=True, help="The call would show an image.")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="The call would cap its answer at this.")
@click.option("--bill-to", help="The organisation that would pay.")
@server_options
@format_option
@done_by("explanations:explain")
def explain(**given: Any) -> None:
    """Say who would serve a call, in which order, and why everybody else is left out. Nobody is called.

    With a request id (req_…) the same of a call that was made. The exit code is 1 where the call would be refused.
    """


@click.group(cls=Resource)
def models() -> None:
    """List models and who runs them, and sync the catalogue."""


@models.command("list")
@click.argument("text", default="")
@click.option("--provider", type=PROVIDER, help="Only models that this provider runs.")
@server_options
@format_option
@done_by("model_lists:show_models")
def list_models(**given: Any) -> None:
    """Models that can be called, those with TEXT in their id; the cheapest and the fastest provider of each."""


@models.command("show")
@click.argument("model", type=MODEL)
@server_options
@format_option
@done_by("model_lists:show_model")
def show_model(**given: Any) -> None:
    """One model and every provider of it: price, context, abilities, speed, and whether it can be called."""


@models.command("sync")
@click.argument("slugs", nargs=-1, type=PROVIDER)
@click.option("--dry-run", is_flag=True, help="Say what is new, and write nothing.")
@folder_options
@format_option
@done_by("model_sync:sync_models")
def sync_models(**given: Any) -> None:
    """Ask every provider that can be called which models it runs at which price.

    For known providers Hugging Face's public list is asked too, and where nobody has a key that list alone; SLUGS
    name others to ask.

    What they say goes into dated files in the data folder; a running server takes them up by itself.
    """


def request_filters(declared: Declared) -> Declared:
    """Which requests."""
    filters = (
        click.option("--model", type=MODEL, help="Of this model."),
        click.option("--provider", type=PROVIDER, help="Served, or last tried, by this provider."),
        click.option("--outcome", type=click.Choice(OUTCOMES), help="That ended so."),
        click.option("--status", type=click.IntRange(100, 599), metavar="N", help="With this HTTP status."),
        click.option("--code", help="With this error code."),
        click.option("--policy", help="Under this policy."),
        click.option("--user", help="Of this user; operators only."),
        click.option("--token-name", help="With the token of this name."),
        click.option("--session", help="With this session tag."),
        click.option("--since", help="Not before: 15m, 2h, 7d, or an ISO time."),
        click.option("--until", help="Before: as --since."),
    )
    for option in reversed(filters):
        declared = option(declared)
    return declared


@click.group(cls=Resource)
def requests() -> None:
    """List, show and follow past requests. Each has a waybill, the refused and failed ones too."""


@requests.command("list")
@request_filters
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 100_000),
    metavar="N",
    default=20,
    show_default=True,
    help="At most so many.",
)
@click.option("--strangers", is_flag=True, help="Refused callers that nobody knows; operators only.")
@server_options
@format_option
@done_by("request_lists:show_requests")
def list_requests(**given: Any) -> None:
    """Requests, newest first."""


@requests.command("show")
@click.argument("request_id", type=REQUEST, metavar="REQUEST")
@server_options
@format_option
@done_by("explanations:show_request")
def show_request(**given: Any) -> None:
    """The waybill of one request: who asked, who was tried, what came of it and what it cost."""


@requests.command("tail")
@request_filters
@click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="Leave after so many.")
@server_options
@format_option
@done_by("request_lists:follow_requests")
def follow_requests(**given: Any) -> None:
    """Requests as they end, until Ctrl-C."""
