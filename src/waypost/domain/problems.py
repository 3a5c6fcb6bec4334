"""Everything that can be refused or fail, each with a stable code.

The tree:

    Problem                     someone acts on it: it carries code, status, why, fix and evidence
    ├── Refusal                 ours: decided before anything was sent to a provider
    └── Failed                  theirs: no endpoint of the plan answered

A bug is not in this tree: it stays an exception and becomes a 500 with a request id at the door.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Code(NamedTuple):
    """A row of the error table: its status and OpenAI's word for its kind."""

    status: int
    type: str


CODES: dict[str, Code] = {
    "token_missing": Code(401, "authentication_error"),
    "token_malformed": Code(401, "authentication_error"),
    "token_unknown": Code(401, "authentication_error"),
    "token_revoked": Code(401, "authentication_error"),
    "token_expired": Code(401, "authentication_error"),
    "scope_missing": Code(403, "permission_error"),
    "organisation_unknown": Code(403, "permission_error"),
    "not_a_member": Code(403, "permission_error"),
    "organisation_forbids": Code(403, "permission_error"),
    "operator_only": Code(403, "permission_error"),
    "own_key_refused": Code(403, "permission_error"),
    "credits_exhausted": Code(402, "insufficient_quota"),
    "spending_limit_reached": Code(402, "insufficient_quota"),
    "model_not_found": Code(400, "invalid_request_error"),
    "model_not_supported": Code(400, "invalid_request_error"),
    "unknown_policy": Code(400, "invalid_request_error"),
    "invalid_request": Code(400, "invalid_request_error"),
    "context_too_long": Code(400, "invalid_request_error"),
    "provider_rejected": Code(400, "invalid_request_error"),
    "rate_limited": Code(429, "rate_limit_error"),
    "providers_busy": Code(429, "rate_limit_error"),
    "provider_failed": Code(502, "provider_error"),
    "provider_timeout": Code(504, "provider_error"),
    "provider_refused_key": Code(502, "provider_error"),
    "upstream_incomplete": Code(502, "provider_error"),
    "upstream_error": Code(502, "provider_error"),
    "overloaded": Code(503, "server_error"),
    "draining": Code(503, "server_error"),
    "ledger_unavailable": Code(503, "server_error"),
    "internal_error": Code(500, "server_error"),
    "bad_request": Code(400, "invalid_request_error"),
    "not_found": Code(404, "invalid_request_error"),
    "request_not_found": Code(404, "invalid_request_error"),
    "method_not_allowed": Code(405, "invalid_request_error"),
    "request_timeout": Code(408, "invalid_request_error"),
    "length_required": Code(411, "invalid_request_error"),
    "body_too_large": Code(413, "invalid_request_error"),
    "uri_too_long": Code(414, "invalid_request_error"),
    "unsupported_media_type": Code(415, "invalid_request_error"),
    "headers_too_large": Code(431, "invalid_request_error"),
    "not_implemented": Code(501, "server_error"),
    "http_version_not_supported": Code(505, "invalid_request_error"),
}
"""code → status and type. Documentation and OpenAPI are generated from this table."""


class Problem(Exception):
    """A refusal or failure that a person can act on.

    `message` names the rule, `why` the evidence, `fix` what to do. `extra` holds more evidence for machines
    (plain JSON values) and goes into the error object beside the rest. None of them ever holds a secret.
    """

    def __init__(  # noqa: PLR0913 (each is a field of the envelope)
        self,
        code: str,
        message: str,
        *,
        why: str = "",
        fix: str = "",
        param: str | None = None,
        retry_after_seconds: int | None = None,
        status: int | None = None,
        extra: dict[str, Any] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.why = why
        self.fix = fix
        self.param = param
        self.retry_after_seconds = retry_after_seconds
        self.status = status or CODES[code].status
        self.type = CODES[code].type
        self.extra = extra or {}
        self.headers = headers
        """More response headers, such as RateLimit."""


class Refusal(Problem):
    """We said no, and nothing went to a provider."""


class Failed(Problem):
    """Every endpoint we may try was tried, and none answered; or a provider rejected the request itself."""
