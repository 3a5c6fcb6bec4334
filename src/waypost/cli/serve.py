"""`waypost serve`: start, and say how to use what was started."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvloop

from waypost.crew import Crew, Ready, StartError
from waypost.crew_hands import ChildFailed, WorkerOrders
from waypost.logs import log_to_stderr
from waypost.settings import SettingsError, load
from waypost.store.books import DataError

EXIT_SETTINGS = 3
MODEL_SHOWN = "practice/parrot"


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 takes any free one.  [default: 8080]")
@click.option("--data", "data", type=click.Path(path_type=Path), help="Folder of everything that is kept.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="Settings file.  [default: waypost.toml, if there is one]"
)
@click.option("--workers", type=int, help="Processes that serve.  [default: 1]")
@click.option("--format", "style", type=click.Choice(["human", "json"]), default="human", show_default=True)
def serve(**given: Any) -> None:
    """Serve until stopped. At the first start this makes a user and a token, and shows the token once."""
    style = given.pop("style")
    config = given.pop("config")
    overrides = _overrides(given)
    read = partial(load, config, os.environ, overrides)  # noqa: TID251 (the command line hands the environment on)
    try:
        settings = read()
        log_to_stderr(settings.log.level, settings.log.format)
        orders = WorkerOrders(str(config) if config else None, overrides)
        code = uvloop.run(Crew(settings, read, orders).run(_announce_json if style == "json" else _announce))
    except SettingsError as error:
        _give_up(str(error), "")
    except (StartError, DataError) as error:
        _give_up(error.message, error.fix)
    except ChildFailed as error:
        _give_up(str(error), "")
    else:
        sys.exit(code)


def _overrides(given: dict[str, Any]) -> dict[str, Any]:
    names = {"host": "server.host", "port": "server.port", "workers": "server.workers", "data": "store.data_folder"}
    return {names[name]: str(value) if name == "data" else value for name, value in given.items() if value is not None}


def _give_up(message: str, fix: str) -> None:
    click.echo(f"waypost: {message}" + (f" {fix}" if fix else ""), err=True)
    sys.exit(EXIT_SETTINGS)


def _announce_json(ready: Ready) -> None:
    shown = {"address": ready.address, "data": str(ready.data), "pid": ready.pid}
    if ready.token is not None:
        shown |= {"user": ready.user, "token": ready.token}
    print(json.dumps(shown), flush=True)


def _announce(ready: Ready) -> None:
    out: Callable[..., None] = partial(click.echo, err=False)
    bold = partial(click.style, bold=True)
    out()
    out(f"  {bold('Waypost')} is serving at {bold(ready.address)}")
    out(f"  data       {ready.data}")
    out(f"  providers  {', '.join(ready.providers) or 'none yet'}")
    out(f"  models     {ready.models}")
    out()
    token = ready.token or "$WAYPOST_TOKEN"
    if ready.token is not None:
        out(f"  Your first token, for user {bold(str(ready.user))}. It is shown this once; keep it:")
        out()
        out(f"    {bold(ready.token)}")
        out()
    out("  Try it:")
    out()
    out(f"    curl {ready.address}/v1/chat/completions \\")
    out(f'      -H "Authorization: Bearer {token}" \\')
    out('      -H "Content-Type: application/json" \\')
    body = {"model": MODEL_SHOWN, "messages": [{"role": "user", "content": "Hello!"}]}
    out(f"      -d '{json.dumps(body)}'")
    out()
    for note in ready.notes:
        click.echo(f"  note: {note}", err=True)
    sys.stdout.flush()
