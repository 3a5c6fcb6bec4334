"""How a command ends: the fixed exit codes, and the one exception that carries one of them to the end."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """What scripts may rely on."""

    FINE = 0
    NOT_WELL = 1
    """The thing asked about is not well."""
    USAGE = 2
    SETTINGS = 3
    """Settings or data."""
    UNREACHABLE = 4
    REFUSED = 5
    """The token, or what it may do."""
    LIMIT = 6
    """Out of credits, or a limit is used up."""
    PROVIDER = 7
    INTERRUPTED = 130


MEANINGS: Final = {
    Exit.FINE: "fine",
    Exit.NOT_WELL: "the thing asked about is not well",
    Exit.USAGE: "usage: an argument is wrong, or names nothing that there is",
    Exit.SETTINGS: "settings or data",
    Exit.UNREACHABLE: "cannot reach",
    Exit.REFUSED: "refused: the token, or what it may do",
    Exit.LIMIT: "out of credits, or a limit is used up",
    Exit.PROVIDER: "a provider failed",
    Exit.INTERRUPTED: "interrupted",
}


class Stop(Exception):
    """Ends the command: what was wrong in one line, and what to do about it."""

    def __init__(self, code: Exit, message: str, hint: str = "", request_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.request_id = request_id
        """The request that came to this end, where a router gave it an id."""


CODES: Final[dict[str, Exit]] = {
    "token_missing": Exit.REFUSED,
    "token_malformed": Exit.REFUSED,
    "token_unknown": Exit.REFUSED,
    "token_revoked": Exit.REFUSED,
    "token_expired": Exit.REFUSED,
    "scope_missing": Exit.REFUSED,
    "organisation_unknown": Exit.REFUSED,
    "not_a_member": Exit.REFUSED,
    "organisation_forbids": Exit.REFUSED,
    "operator_only": Exit.REFUSED,
    "own_key_refused": Exit.REFUSED,
    "credits_exhausted": Exit.LIMIT,
    "spending_limit_reached": Exit.LIMIT,
    "rate_limited": Exit.LIMIT,
    "model_not_supported": Exit.NOT_WELL,
    "providers_busy": Exit.PROVIDER,
    "provider_failed": Exit.PROVIDER,
    "provider_timeout": Exit.PROVIDER,
    "provider_refused_key": Exit.PROVIDER,
    "upstream_incomplete": Exit.PROVIDER,
    "upstream_error": Exit.PROVIDER,
    "overloaded": Exit.UNREACHABLE,
    "draining": Exit.UNREACHABLE,
    "ledger_unavailable": Exit.SETTINGS,
    "interrupted": Exit.NOT_WELL,
    "internal_error": Exit.NOT_WELL,
    "not_implemented": Exit.NOT_WELL,
}
"""Error code → exit code. Every other code says that what was asked for is wrong: usage."""

STATUSES: Final = {
    401: Exit.REFUSED,
    403: Exit.REFUSED,
    402: Exit.LIMIT,
    429: Exit.LIMIT,
    502: Exit.PROVIDER,
    503: Exit.UNREACHABLE,
    504: Exit.PROVIDER,
}


def exit_of(code: str | None, status: int) -> Exit:
    """The exit code of a refusal or failure, by its code, else by its HTTP status."""
    if code in CODES:
        return CODES[code]
    return STATUSES.get(status, Exit.NOT_WELL if status >= 500 else Exit.USAGE)
