"""Makes the command line's own token, in place of the one before it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from waypost.cli.access import FILE
from waypost.cli.data_place import DataPlace
from waypost.cli.people import make_token
from waypost.cli.whereabouts import write_private
from waypost.domain.callers import INFERENCE, Token, User
from waypost.store.books import DataError
from waypost.store.reader import Reader
from waypost.store.visitor import visit

NAME: Final = "command-line"
LASTS_SECONDS: Final = 24 * 3600


def make(data: DataPlace, prefix: str) -> str | None:
    """A new token, kept in the folder; None where the folder is not ours to write, or nobody is an operator."""
    try:
        users, tokens = _people(data)
        user = next((user for user in users if user.operator), None)
        if user is None:
            return None
        before = [
            token.id for token in tokens if (token.user_id, token.name, token.revoked_at) == (user.id, NAME, None)
        ]
        expires_at = int(datetime.now(UTC).timestamp()) + LASTS_SECONDS
        wanted = {"user": user.name, "name": NAME, "kind": "fineGrained", "permissions": [INFERENCE]}
        with visit(*data) as run:
            for number in before:
                run("token.revoke", {"id": number})
            secret, _ = make_token(run, data.folder, prefix, wanted | {"expires_at": expires_at * 1000})
        write_private(data.folder / FILE, json.dumps({"token": secret, "expires_at": expires_at}))
    except (DataError, OSError):
        return None
    return secret


def _people(data: DataPlace) -> tuple[list[User], list[Token]]:
    reader = Reader(*data)
    try:
        return reader.users(), reader.tokens()
    finally:
        reader.close()
