"""What the HTTP/1.1 server itself says no to, in words a person can act on."""

from __future__ import annotations

from waypost.domain.problems import Problem, Refusal
from waypost.wire.http11_messages import HttpLimits


def bad_request(message: str, why: str) -> Problem:
    """A refusal of something that is not HTTP/1.1 as we read it."""
    return Refusal(
        "bad_request",
        message,
        why=why,
        fix="Look for a line break inside a header (a token copied with its new line); else use a current HTTP client.",
    )


def uri_too_long(limits: HttpLimits) -> Problem:
    return Refusal(
        "uri_too_long",
        f"The request target is longer than {limits.target_bytes_max} bytes.",
        fix="Send what is long in the body.",
    )


def headers_too_large(limits: HttpLimits) -> Problem:
    return Refusal(
        "headers_too_large",
        f"The headers are larger than {limits.header_bytes_max} bytes or more than {limits.header_fields_max}.",
        fix="Send fewer or shorter headers; large cookies are the usual cause.",
    )


def body_too_large(body_bytes_max: int) -> Problem:
    return Refusal(
        "body_too_large",
        f"The body is larger than {body_bytes_max} bytes.",
        fix="Send less, or ask the operator to raise the limit.",
        extra={"body_bytes_max": body_bytes_max},
    )


def too_slow(what: str, seconds: float) -> Problem:
    return Refusal(
        "request_timeout",
        f"{what} of the request came too slowly.",
        why=f"Too little arrived in {seconds:g} seconds.",
        fix="Send the request again on a new connection.",
    )


def overloaded(why: str, retry_after_seconds: int) -> Problem:
    return Refusal(
        "overloaded",
        "The server has too much to do.",
        why=why,
        fix="Send the request again after the time in Retry-After.",
        retry_after_seconds=retry_after_seconds,
    )


def internal_error() -> Problem:
    return Problem("internal_error", "Something went wrong here.", fix="Tell the operator the request id.")
