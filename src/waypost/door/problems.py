"""Our errors as replies, one mapping for each dialect of errors.

Two dialects: our own envelope, which every client can read, and, for drop-in tests, Hugging Face's own words, statuses
and shapes (`../reference/inference-providers-router.md`, section 5).
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from waypost.domain.problems import Problem

HEADER_TEXT_BYTES_MAX: Final = 512
JSON: Final = "application/json"
PLAIN: Final = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2026": "...", "\u2013": "-", "\u2014": "-",
    "\u2192": "->", "\u00d7": "x",
})  # fmt: skip
"""What typographic characters become in a header."""

_encode = msgspec.json.Encoder().encode

Whole = tuple[int, bytes, bytes]
"""Status, header block and body of a reply."""


class Reader(NamedTuple):
    """Who will read a problem."""

    user_agent: bytes = b""
    hub: bool = False
    """It asked a route of the Hub's, where `error` has always been a text."""

    @property
    def wants_text(self) -> bool:
        """Hugging Face's clients show an `error` that is an object as `[object Object]`, or as a Python dictionary."""
        return self.hub or _reads_text.search(self.user_agent) is not None


_reads_text = re.compile(rb"@huggingface/|\bhf_hub/")
ANYBODY: Final = Reader()


class ProblemWriter(Protocol):
    """Writes problems: a whole reply before a stream has begun, one event after."""

    def whole(self, problem: Problem, request_id: str, reader: Reader = ANYBODY) -> Whole: ...
    def event(self, problem: Problem, request_id: str) -> bytes: ...


def problem_writer(style: str) -> ProblemWriter:
    """The writer for `[errors] style`."""
    return HuggingFaceWords() if style == "huggingface" else OwnWords()


def header_text(text: str) -> str:
    """Any text as a header's value: printable ASCII, one line, at most 512 bytes."""
    plain = "".join(c if " " <= c <= "~" else " " if c.isspace() else "?" for c in text.translate(PLAIN))
    line = " ".join(plain.split())
    return line if len(line) <= HEADER_TEXT_BYTES_MAX else line[: HEADER_TEXT_BYTES_MAX - 3] + "..."


class OwnWords:
    """The envelope of `router.md`; its fields stand beside `error` for readers that take only a text there."""

    def whole(self, problem: Problem, request_id: str, reader: Reader = ANYBODY) -> Whole:
        error = own_error(problem, request_id)
        body = (
            {**error, "error": problem.message} if reader.wants_text else {"error": error, "message": error["message"]}
        )
        return problem.status, _head(problem, request_id, problem.message, JSON), _encode(body)

    def event(self, problem: Problem, request_id: str) -> bytes:
        """The one event that ends a stream; no `[DONE]` follows it."""
        return b"data: " + _encode({"error": own_error(problem, request_id), "message": problem.message}) + b"\n\n"


def own_error(problem: Problem, request_id: str) -> dict[str, Any]:
    """The error object: OpenAI's four fields, then ours, then the evidence."""
    error = {
        "message": problem.message,
        "type": problem.type,
        "param": problem.param,
        "code": problem.code,
        "why": problem.why,
        "fix": problem.fix,
        "request_id": request_id,
    }
    return {**error, **{name: value for name, value in problem.extra.items() if name not in error}}


class HuggingFaceRow(NamedTuple):
    """How Hugging Face says one of our codes."""

    shape: str
    """`string`: `{"error": "text"}`; `object`: OpenAI's four fields; `text`: no JSON at all."""
    status: int | None = None
    """Theirs, where it differs from ours."""
    words: str | None = None
    """Theirs, with places for the problem's evidence; None: our message."""


BAD_CREDENTIALS: Final = "Invalid credentials in Authorization header"
"""`huggingface_hub` looks for exactly this text in X-Error-Message."""
_bad_token = HuggingFaceRow("string", words=BAD_CREDENTIALS)
_forbidden = HuggingFaceRow("string", 403)

HUGGING_FACE: Final[dict[str, HuggingFaceRow]] = {
    "token_missing": HuggingFaceRow("string", words="Invalid username or password."),
    "token_malformed": _bad_token,
    "token_unknown": _bad_token,
    "token_revoked": _bad_token,
    "token_expired": _bad_token,
    "scope_missing": HuggingFaceRow(
        "string",
        words="This authentication method does not have sufficient permissions to call Inference Providers "
        "on behalf of {entity[type]} {entity[name]}",
    ),
    "organisation_unknown": _forbidden,
    "not_a_member": _forbidden,
    "organisation_forbids": _forbidden,
    "operator_only": _forbidden,
    "own_key_refused": _forbidden,
    "spending_limit_reached": _forbidden,
    "credits_exhausted": HuggingFaceRow(
        "string",
        words="You have depleted your monthly included credits. Purchase pre-paid credits to continue using "
        "Inference Providers. Alternatively, subscribe to PRO to get 20x more included usage.",
    ),
    "model_not_found": HuggingFaceRow("object", words="The requested model '{model}' does not exist."),
    "model_not_supported": HuggingFaceRow(
        "object", words="The requested model '{model}' is not supported by any provider you have enabled."
    ),
    "rate_limited": HuggingFaceRow("string"),
    "internal_error": HuggingFaceRow("string", words="Internal Server Error"),
    "not_found": HuggingFaceRow("text", words="Not Found"),
    "request_not_found": HuggingFaceRow("string"),
}
_other = HuggingFaceRow("object")
_pinned_not_supported = HuggingFaceRow("string", words="Model not supported by provider {pinned}")


class HuggingFaceWords:
    """Hugging Face's own words, statuses and shapes; our code stays readable in `X-Error-Code`."""

    def whole(self, problem: Problem, request_id: str, reader: Reader = ANYBODY) -> Whole:
        row = _hub_row(problem) if reader.hub else _row(problem)
        message = _words(row, problem)
        status = row.status or problem.status
        if row.shape == "text":
            return status, _head(problem, request_id, message, "text/plain; charset=utf-8"), message.encode()
        error = message if row.shape == "string" else _openai_error(problem, message)
        return status, _head(problem, request_id, message, JSON), _encode({"error": error})

    def event(self, problem: Problem, request_id: str) -> bytes:
        """Streams carry the object form, which both of Hugging Face's clients raise on."""
        message = _words(_row(problem), problem)
        return b"data: " + _encode({"error": _openai_error(problem, message)}) + b"\n\n"


def _row(problem: Problem) -> HuggingFaceRow:
    if problem.code in {"model_not_found", "model_not_supported"} and "pinned" in problem.extra:
        return _pinned_not_supported
    return HUGGING_FACE.get(problem.code, _other)


def _hub_row(problem: Problem) -> HuggingFaceRow:
    """The Hub says everything as a text, and of a missing repository that it is one."""
    row = _row(problem)
    return HuggingFaceRow("string") if row.shape != "string" else row


def _words(row: HuggingFaceRow, problem: Problem) -> str:
    if row.words is None:
        return problem.message
    try:
        return row.words.format_map(problem.extra)
    except (KeyError, TypeError):  # the evidence has no such thing: our words are better than a hole in theirs
        return problem.message


def _openai_error(problem: Problem, message: str) -> dict[str, Any]:
    return {"message": message, "type": problem.type, "param": problem.param, "code": problem.code}


def _head(problem: Problem, request_id: str, message: str, content_type: str) -> bytes:
    """The header block. A problem's own headers win over ours of the same name."""
    fields = {
        "content-type": content_type,
        "x-request-id": request_id,
        "x-error-code": problem.code,
        "x-error-message": message,
    }
    if problem.retry_after_seconds is not None:
        fields["retry-after"] = str(max(0, problem.retry_after_seconds))
    fields.update((name.lower(), value) for name, value in problem.headers)
    return "".join(f"{header_text(name)}: {header_text(value)}\r\n" for name, value in fields.items()).encode("ascii")
