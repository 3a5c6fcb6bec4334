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
    """A row of the error table: its status, OpenAI's word for its kind, and when it is said."""

    status: int
    type: str
    when: str


CODES: dict[str, Code] = {
    "token_missing": Code(401, "authentication_error", "No `Authorization` header came."),
    "token_malformed": Code(
        401,
        "authentication_error",
        "What came cannot be a token; the message says what is wrong with it without repeating it.",
    ),
    "token_unknown": Code(401, "authentication_error", "Well formed, but not one of ours."),
    "token_revoked": Code(401, "authentication_error", "It was one of ours, until it was revoked."),
    "token_expired": Code(401, "authentication_error", "Its end date has passed."),
    "signature_invalid": Code(
        403, "permission_error", "A message from outside that is not signed, not in time, or not with our secret."
    ),
    "scope_missing": Code(
        403, "permission_error", "The token lacks the permission that is named, on the entity that is named."
    ),
    "organisation_unknown": Code(403, "permission_error", "`X-HF-Bill-To` names no organisation here."),
    "not_a_member": Code(403, "permission_error", "The caller is not in the organisation that is to pay."),
    "organisation_forbids": Code(403, "permission_error", "The organisation that is to pay does not allow this."),
    "operator_only": Code(403, "permission_error", "Only operators may see this."),
    "own_key_refused": Code(
        403, "permission_error", "A provider refused the caller's or organisation's own key, which is named."
    ),
    "credits_exhausted": Code(
        402, "insufficient_quota", "The payer's free credits do not cover what the call may cost."
    ),
    "spending_limit_reached": Code(
        402, "insufficient_quota", "A spending limit is used up; which, whose and until when is said."
    ),
    "model_not_found": Code(400, "invalid_request_error", "No such model in the catalogue; the nearest ids are named."),
    "model_not_supported": Code(
        400, "invalid_request_error", "No endpoint of the model can serve this call, and waiting will not help."
    ),
    "unknown_policy": Code(
        400, "invalid_request_error", "What follows the model's colon is neither a policy nor a provider."
    ),
    "invalid_request": Code(400, "invalid_request_error", "A field is missing or wrong; `param` names it."),
    "context_too_long": Code(
        400, "invalid_request_error", "The prompt and the answer are longer than any endpoint takes."
    ),
    "idempotency_in_progress": Code(
        409,
        "invalid_request_error",
        "The call with this `Idempotency-Key` has not ended; `Retry-After` says when to ask.",
    ),
    "idempotency_mismatch": Code(
        422, "invalid_request_error", "This `Idempotency-Key` was used for a request with another path, payer or body."
    ),
    "idempotency_unkept": Code(
        409,
        "invalid_request_error",
        "The call with this `Idempotency-Key` was made; its reply was too long to keep, or cut off.",
    ),
    "rate_limited": Code(429, "rate_limit_error", "A limit of this token is used up; `Retry-After` says for how long."),
    "providers_busy": Code(
        429, "rate_limit_error", "Every endpoint that could serve is resting; `Retry-After` is the smallest wait."
    ),
    "provider_failed": Code(502, "provider_error", "No provider of the plan answered well; the attempts say why."),
    "provider_timeout": Code(504, "provider_error", "No provider of the plan answered in time."),
    "provider_refused_key": Code(
        502, "provider_error", "A provider refused the operator's key. Not the caller's doing."
    ),
    "upstream_incomplete": Code(502, "provider_error", "Inside a stream: the provider ended before its answer did."),
    "upstream_error": Code(502, "provider_error", "Inside a stream: the provider failed after its first words."),
    "overloaded": Code(503, "server_error", "More calls than this server takes at once."),
    "draining": Code(503, "server_error", "This server is about to stop and takes no new calls."),
    "ledger_unavailable": Code(503, "server_error", "The store cannot be written, and nothing is served unrecorded."),
    "interrupted": Code(
        500, "server_error", "Only in waybills: the process that served the call ended before the call did."
    ),
    "internal_error": Code(500, "server_error", "A bug of ours; the request id finds it in the log."),
    "bad_request": Code(400, "invalid_request_error", "Not HTTP as we take it; the message says what is wrong."),
    "not_found": Code(404, "invalid_request_error", "No such route; the nearest one is named."),
    "request_not_found": Code(404, "invalid_request_error", "No such request, or not one that this caller may see."),
    "method_not_allowed": Code(405, "invalid_request_error", "The route takes other methods; `Allow` names them."),
    "request_timeout": Code(408, "invalid_request_error", "The request took too long to arrive."),
    "length_required": Code(411, "invalid_request_error", "A body without a length."),
    "body_too_large": Code(413, "invalid_request_error", "The body is over the limit."),
    "uri_too_long": Code(414, "invalid_request_error", "The path and query are over the limit."),
    "unsupported_media_type": Code(415, "invalid_request_error", "The body is not JSON."),
    "headers_too_large": Code(431, "invalid_request_error", "The headers are over the limit."),
    "not_implemented": Code(501, "server_error", "A method or coding we do not know."),
    "http_version_not_supported": Code(505, "invalid_request_error", "Neither HTTP/1.1 nor HTTP/1.0."),
}
"""code → status, type and meaning. Documentation and OpenAPI are generated from this table."""


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
