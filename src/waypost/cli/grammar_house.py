"""Commands about the installation itself: what they are called, take and say of themselves. See `options.py`."""

from __future__ import annotations

from typing import Any

import click

from waypost.cli.options import (
    PATH,
    PROVIDER,
    Command,
    Resource,
    done_by,
    folder_options,
    format_option,
    server_options,
)


@click.command(cls=Command)
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 takes any free one.  [default: 8080]")
@folder_options
@click.option("--database", help="Address of a Postgres database.  [default: a SQLite file in the data folder]")
@click.option("--workers", type=int, help="Processes that serve.  [default: 1]")
@click.option(
    "--format",
    "style",
    type=click.Choice(["human", "json"]),
    default="human",
    show_default=True,
    help="json: one object on stdout when ready.",
)
@done_by("serve:serve")
def serve(**given: Any) -> None:
    """Serve until stopped. At the first start this makes a user and a token, and shows the token once.

    SIGTERM, Ctrl-C and the closing of its terminal let calls under way finish; a second SIGTERM or Ctrl-C ends it at
    once. Under `nohup` a closed terminal means nothing. Changed settings are taken up as they are; SIGHUP reads all of
    them again.
    """


@click.command(cls=Command)
@click.argument("folder", type=PATH, default=".")
@done_by("init_file:write")
def init(**given: Any) -> None:
    """Write waypost.toml into FOLDER, with every setting as a comment.

    Known providers whose key is in the environment are named in it. A file that is there is never overwritten.
    """


@click.group(cls=Resource)
def providers() -> None:
    """List and test providers, and find model servers on this machine.

    What is known here comes from the settings and this shell's environment, as a server started here would have it.
    """


@providers.command("list")
@click.option("--all", "everybody", is_flag=True, help="Known ones without a key, too.")
@folder_options
@format_option
@done_by("provider_lists:show_providers")
def list_providers(**given: Any) -> None:
    """Providers that can be called or are configured: practice ones where they would serve."""


@providers.command("show")
@click.argument("slug", type=PROVIDER)
@folder_options
@format_option
@done_by("provider_lists:show_provider")
def show_provider(**given: Any) -> None:
    """One provider: its address, its key's state, its models."""


@providers.command("test")
@click.argument("slug", type=PROVIDER)
@folder_options
@format_option
@done_by("provider_probes:probe_one")
def test_provider(**given: Any) -> None:
    """Reach a provider and have it check the key. Costs nothing: only its list of models is asked for."""


@providers.command("discover")
@click.option("--port", "ports", type=click.IntRange(1, 65535), metavar="N", multiple=True, help="Ports to ask.")
@folder_options
@format_option
@done_by("provider_probes:discover_here")
def discover(**given: Any) -> None:
    """Find Ollama, vLLM, llama.cpp, LM Studio, TGI and SGLang on this machine; print the settings for them."""


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", default=9001, show_default=True, help="First port; 0: any."
)
@click.option("--provider", "slugs", multiple=True, help="Only this one; may be given again.  [default: all]")
@click.option("--fault", "faults", multiple=True, help="What goes wrong: name[=argument][@1/5 or @20%].")
@click.option(
    "--speed", type=click.FloatRange(0), metavar="N", help="Tokens a second; 0: at once.  [default: each its own]"
)
@click.option("--list-faults", is_flag=True, help="List every fault, and leave.")
@format_option
@done_by("practice_alone:practise")
def practice(**given: Any) -> None:
    """Run practice providers alone: real HTTP on loopback, no key, deterministic text, any fault.

    Each takes a port of its own, from --port on. For tests, demonstrations and benchmarks.
    """


@click.command(cls=Command)
@click.option(
    "--calls", type=click.IntRange(10, 100_000), metavar="N", default=300, show_default=True, help="Pairs of calls."
)
@click.option(
    "--seconds", type=click.FloatRange(0.1, 600), metavar="N", default=2.0, show_default=True, help="Of full load."
)
@click.option(
    "--connections", type=click.IntRange(1, 1000), metavar="N", default=16, show_default=True, help="Under full load."
)
@server_options
@format_option
@done_by("overhead:measure")
def bench(**given: Any) -> None:
    """Measure what a running installation adds to a call.

    The same calls go to one of its practice providers directly and through the router, in turn, so that whatever
    else the machine does falls on both. It costs nothing real, and writes a waybill for each call. The model is one
    that nobody else runs, where there is one: what the router learns from these calls sends no other one elsewhere.
    """


@click.command(cls=Command)
@click.option("--local", is_flag=True, help="Only what can be seen from this machine; so far there is no more.")
@click.option("--offline", is_flag=True, help="Do not call providers.")
@folder_options
@format_option
@done_by("checkup:check_up")
def doctor(**given: Any) -> None:
    """Check settings, data folder, port, keys, providers and catalogue.

    Every check says what it saw and, where something is not well, how to mend it; the exit code is 1 then.
    """


@click.group(cls=Resource)
def config() -> None:
    """Show and check the settings in force. Secrets show as fingerprints."""


@config.command("show")
@click.option("--all", "everything", is_flag=True, help="Settings at their default, too.")
@folder_options
@format_option
@done_by("config_lines:show_settings")
def show_settings(**given: Any) -> None:
    """Every setting that is not at its default, and where it comes from."""


@config.command("path")
@folder_options
@format_option
@done_by("config_lines:show_paths")
def show_paths(**given: Any) -> None:
    """The settings file and the data folder."""


@config.command("check")
@folder_options
@format_option
@done_by("config_lines:check_settings")
def check_settings(**given: Any) -> None:
    """Read the settings as `waypost serve` would, and say every fault; exit code 3 where there is one."""


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@done_by("completion:print_script")
def completion(**given: Any) -> None:
    """Print a script that completes commands, options, models and providers.

    \b
    bash:  waypost completion bash > ~/.local/share/bash-completion/completions/waypost
    zsh:   waypost completion zsh > "${fpath[1]}/_waypost"
    fish:  waypost completion fish > ~/.config/fish/completions/waypost.fish
    """  # noqa: D301 (click's mark for a paragraph whose lines stay)
