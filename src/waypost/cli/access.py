"""The token that the command line shows: the one it was given, else one of its own for the server of this folder.

Whoever may read the data folder owns everything in it, so such a person need not look for a token first. It lasts a
day, may call models and nothing else, and lies in the folder for this user alone.
"""

from __future__ import annotations

import importlib
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from waypost.cli.data_place import DataPlace, data_of
from waypost.cli.exits import Exit, Stop
from waypost.cli.options import Where
from waypost.cli.router_calls import Router, Token
from waypost.cli.whereabouts import Destination, destination, settings_at

FILE: Final = "cli-token"
LEFT_SECONDS_MIN: Final = 60


def router_for(where: Where) -> Router:
    """The router that is meant, with a token to show. Raises Stop and SettingsError."""
    to = destination(where)
    return Router(to, token_for(where, to))


def token_for(where: Where, to: Destination) -> Token:
    """What to show there; nothing where nothing is ours to show."""
    if where.token is not None:
        return Token(_checked(where.token))
    if to.here is None:
        return Token(None)
    settings = settings_at(where)
    data, prefix = data_of(settings), settings.tokens.prefix
    return Token(kept(to.here) or _make(data, prefix), partial(_renew, data, prefix))


def _checked(text: str) -> str:
    """A header cannot hold everything; what can be held, the router judges better."""
    token = text.strip()
    if not token.isascii() or not token.isprintable():
        raise Stop(
            Exit.REFUSED,
            "The token holds characters that no token has.",
            "Copy it again, from its first letter to its last; look at WAYPOST_TOKEN for quotes and line ends.",
        )
    return token


def kept(folder: Path) -> str | None:
    """The token that was made before, while it lasts."""
    try:
        told: Any = json.loads((folder / FILE).read_bytes())
        lasts = float(told["expires_at"]) - datetime.now(UTC).timestamp() > LEFT_SECONDS_MIN
        return str(told["token"]) if lasts else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _renew(data: DataPlace, prefix: str, refused: str) -> str | None:
    """Another one: made meanwhile by another command, or now."""
    meanwhile = kept(data.folder)
    return meanwhile if meanwhile not in (None, refused) else _make(data, prefix)


def _make(data: DataPlace, prefix: str) -> str | None:
    """A new one. The store is imported once a day, and not for every call."""
    secret: str | None = importlib.import_module("waypost.cli.access_making").make(data, prefix)
    return secret
