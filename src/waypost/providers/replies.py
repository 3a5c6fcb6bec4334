"""What a provider's answer means before the first word: serve it, try the next one, or hand it back. Pure.

The table is `faults.md`'s. A status the caller could mend (400, 404, 413, 422) goes back to the caller; everything
else is the provider's trouble, and the next endpoint is tried.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from waypost.wire.foreign_json import UNREADABLE, read_foreign

Headers = dict[bytes, bytes]
EVENT_STREAM = b"text/event-stream"
JSON = b"application/json"
WHY_CHARS_MAX = 300
RETRY_AFTER_SECONDS_MAX = 300
KEY_STATUSES = frozenset({401, 403})
CALLER_STATUSES = frozenset({400, 404, 413, 422})
CONTEXT_CODES = frozenset({"context_length_exceeded", "context_too_long", "string_above_max_length"})

_decode = msgspec.json.Decoder().decode
_secret = re.compile(
    r"(?i)\b(?:bearer\s+\S+|(?:sk|pk|rk|hf|wp|gsk|xai|key|csk|nvapi|fw|tok)[-_][\w-]{12,}|eyJ[\w-]{10,}[\w.-]*)"
)
_unprintable = re.compile(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\uffef]+")


class Blame(StrEnum):
    """What an attempt's end says about the endpoint."""

    NONE = "none"
    """Nothing: the caller's mistake, or the caller left."""
    SERVED = "served"
    FAILURE = "failure"
    """Counts towards its breaker."""
    REST = "rest"
    """It asked to be left alone for a while."""
    KEY = "key"
    """It refuses our key."""


class Verdict(NamedTuple):
    """Why an attempt did not serve the call."""

    code: str
    """A code of `domain.problems`."""
    why: str
    blame: Blame = Blame.FAILURE
    status: int = 0
    """The provider's status, 0 without one."""
    try_next: bool = True
    retry_after_seconds: int | None = None
    param: str | None = None


def judge_error(status: int, headers: Headers, body: bytes, now: datetime, secrets: tuple[str, ...] = ()) -> Verdict:
    """A reply whose status is not 2xx; `secrets` are what we sent it and must not see again."""
    why, param, code = _provider_words(body, secrets)
    said = f"answered {status}" + (f": {why}" if why else "")
    if status in CALLER_STATUSES:
        return Verdict(_caller_code(status, code), why or said, Blame.NONE, status, try_next=False, param=param)
    if status == 429:
        wait = retry_after(headers.get(b"retry-after"), now)
        return Verdict("providers_busy", said, Blame.REST, status, retry_after_seconds=wait)
    if status in KEY_STATUSES:
        return Verdict("provider_refused_key", said, Blame.KEY, status)
    if 300 <= status < 400:
        return Verdict("provider_failed", f"answered {status}, a redirect, which is never followed", status=status)
    if status == 402:
        return Verdict("provider_failed", said, Blame.REST, status)
    return Verdict("provider_failed", said, status=status)


def judge_head(status: int, headers: Headers, *, stream: bool) -> Verdict | None:
    """A 2xx head: None when its body may be read as an answer."""
    if b"content-encoding" not in headers and headers.get(b"content-type") == (EVENT_STREAM if stream else JSON):
        return None  # nearly every head there is
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
        return Verdict("provider_failed", "sent a compressed reply that was not asked for", status=status)
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind == (EVENT_STREAM if stream else JSON):
        return None
    if kind == b"application/json" and stream:
        return None  # an error in a 200, or a provider that does not stream: its body decides
    return Verdict("provider_failed", f"sent {_clean(kind.decode('latin-1')) or 'no content type'}", status=status)


def judge_embedded(error: Any, status: int, secrets: tuple[str, ...] = ()) -> Verdict:
    """A 200 whose body, or first event, is an error: it counts as the code inside it."""
    inner = error.get("code") if isinstance(error, dict) else None
    if not isinstance(inner, int):
        inner = error.get("status") if isinstance(error, dict) else None
    real = inner if type(inner) is int and 400 <= inner < 600 else 500
    body = msgspec.json.encode({"error": error})
    verdict = judge_error(real, {}, body, datetime.fromtimestamp(0, UTC), secrets)
    return verdict._replace(why=f"sent an error in a {status}: {verdict.why}")


def retry_after(value: bytes | None, now: datetime) -> int | None:
    """Seconds to wait from a `Retry-After` in seconds or as a date, 1 to 300; nonsense counts as absent."""
    if value is None:
        return None
    text = value.decode("latin-1").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - now).total_seconds()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    if not 0 <= seconds < float("inf"):
        return None
    return int(min(max(seconds, 1), RETRY_AFTER_SECONDS_MAX))


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Provider's words as one short line without these secrets, or anything else that looks like one."""
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    return _secret.sub("[secret]", _clean(text))[:WHY_CHARS_MAX]


def _clean(text: str) -> str:
    return _unprintable.sub(" ", text).strip()[: 4 * WHY_CHARS_MAX]


def _caller_code(status: int, provider_code: Any) -> str:
    if isinstance(provider_code, str) and provider_code in CONTEXT_CODES:
        return "context_too_long"
    return {413: "body_too_large", 404: "not_found"}.get(status, "invalid_request")


def _provider_words(body: bytes, secrets: tuple[str, ...]) -> tuple[str, str | None, Any]:
    """Message, param and code of an error body, in any of the shapes that providers use."""
    try:
        reply = read_foreign(_decode, body)
    except UNREADABLE:
        return "", None, None  # HTML and plain text are never echoed
    if not isinstance(reply, dict):
        return "", None, None
    error = reply.get("error", reply)
    if isinstance(error, str):
        return redact(error, secrets), None, None
    if not isinstance(error, dict):
        error = reply
    words = next((error[key] for key in ("message", "detail", "error") if isinstance(error.get(key), str)), "")
    param = error.get("param")
    return redact(words, secrets), redact(param, secrets) if isinstance(param, str) else None, error.get("code")
