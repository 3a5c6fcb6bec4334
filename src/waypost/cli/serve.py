"""`waypost serve`: start, and say how to use what was started."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import Any, Final

import uvloop

from waypost.cli.exits import Exit, Stop
from waypost.cli.options import Call
from waypost.cli.serve_screen import Started, started
from waypost.cli.whereabouts import Standing, forget_standing, read_standing, write_standing
from waypost.crew import Crew, Ready, StartError
from waypost.crew_hands import ChildFailed, WorkerOrders
from waypost.logs import log_to_stderr
from waypost.settings import load

SETTINGS_OF_OPTIONS: Final = {
    "host": "server.host",
    "port": "server.port",
    "workers": "server.workers",
    "database": "store.database",
}


def serve(call: Call, **given: Any) -> int:
    """Serve until stopped; gives the exit code."""
    config, data = call.where.config, call.where.data
    overrides = {SETTINGS_OF_OPTIONS[name]: value for name, value in given.items() if value is not None}
    if data is not None:
        overrides["store.data_folder"] = str(data)
    read = partial(load, config, os.environ, overrides)  # noqa: TID251 (the command line hands the environment on)
    settings = read()
    log_to_stderr(settings.log.level, settings.log.format)
    orders = WorkerOrders(str(config) if config else None, overrides)
    settings_file = str(settings.file) if settings.file else None
    announce = partial(_announce, call, settings_file)
    try:
        return uvloop.run(Crew(settings, read, orders).run(announce))
    except StartError as error:
        raise _stop_of(error, read_standing(settings.data_folder)) from None
    except ChildFailed as error:
        raise Stop(Exit.SETTINGS, f"{error}.") from None
    finally:
        forget_standing(settings.data_folder, os.getpid())


def _stop_of(error: StartError, standing: Standing | None) -> Stop:
    """Whoever starts it twice has no use for another port: the data folder has room for one server."""
    if standing is None:
        return Stop(Exit.SETTINGS, error.message, error.fix)
    return Stop(
        Exit.SETTINGS,
        f"Waypost serves this data folder already, at {standing.address} (pid {standing.pid}).",
        f"Use that one, or stop it first (kill {standing.pid}).",
    )


def _announce(call: Call, settings_file: str | None, ready: Ready) -> None:
    screen = call.screen
    certificate = str(ready.certificate) if ready.certificate else None
    try:
        write_standing(ready.data, Standing(ready.address, ready.pid, ready.practice, certificate, ready.database))
    except OSError as error:
        screen.note(f"waypost: {error}; other commands will need --url {ready.address}")
    if screen.style == "json":
        shown: dict[str, Any] = {"address": ready.address, "data": str(ready.data), "pid": ready.pid}
        if ready.database is not None:
            shown["database"] = ready.database
        if ready.token is not None:
            shown |= {"user": ready.user, "token": ready.token}
        screen.out(json.dumps(shown))
    else:
        for line in started(screen, Started(ready, settings_file, call.where)):
            screen.out(line)
    screen.flush()
    for note in ready.notes:
        screen.note(f"{screen.faint('note:')} {note}")
