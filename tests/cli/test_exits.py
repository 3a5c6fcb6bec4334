"""The fixed exit codes: every error code leads to one, and each of them is reached by a real command."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

import pytest
from commandline import START, environment, terminal
from played import played, reply

from waypost.cli.exits import CODES, MEANINGS, Exit, exit_of
from waypost.domain import problems

USAGE = {
    "model_not_found", "unknown_policy", "invalid_request", "context_too_long", "bad_request",
    "not_found", "request_not_found", "method_not_allowed", "request_timeout", "length_required", "body_too_large",
    "idempotency_in_progress", "idempotency_mismatch", "idempotency_unkept", "signature_invalid",
    "uri_too_long", "unsupported_media_type", "headers_too_large", "http_version_not_supported",
}  # fmt: skip


def test_every_error_code_was_thought_of() -> None:
    assert CODES.keys() | USAGE == problems.CODES.keys()
    assert not CODES.keys() & USAGE
    assert {code.value for code in Exit} == {0, 1, 2, 3, 4, 5, 6, 7, 130}
    assert MEANINGS.keys() == set(Exit)


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [
        ("token_revoked", 401, 5),
        ("scope_missing", 403, 5),
        ("rate_limited", 429, 6),
        ("providers_busy", 429, 7),
        ("model_not_supported", 400, 1),
        ("model_not_found", 404, 2),
        ("ledger_unavailable", 503, 3),
        ("draining", 503, 4),
        ("", 401, 5),
        ("", 402, 6),
        ("not one of ours", 429, 6),
        ("", 503, 4),
        (None, 504, 7),
        (None, 500, 1),
        (None, 418, 2),
    ],
)
def test_a_code_counts_before_a_status(code, status, exit_code) -> None:
    assert exit_of(code, status) == exit_code


def refusal(status: int, code: str) -> bytes:
    error = {"message": "No.", "code": code, "why": "because", "fix": "Do `waypost this` instead."}
    return reply({"error": error}, f"{status} No")


@pytest.mark.parametrize(
    ("server", "arguments", "exit_code"),
    [
        (reply({"data": []}), ["models", "list"], 0),
        (reply({"data": []}), ["chat", "hi"], 1),
        (None, ["models", "lst"], 2),
        (None, ["requests", "list", "--since", "yesterday"], 2),
        (refusal(404, "request_not_found"), ["requests", "show", "req_0"], 2),
        (None, ["tokens", "list"], 3),
        (None, ["config", "check", "--config", "nowhere.toml"], 3),
        (None, ["models", "list", "--url", "http://127.0.0.1:1"], 4),
        (refusal(503, "draining"), ["models", "list"], 4),
        (refusal(401, "token_revoked"), ["models", "list"], 5),
        (refusal(403, "operator_only"), ["requests", "list", "--strangers"], 5),
        (refusal(429, "rate_limited"), ["chat", "-m", "a/b", "hi"], 6),
        (refusal(402, "credits_exhausted"), ["chat", "-m", "a/b", "hi"], 6),
        (refusal(502, "provider_failed"), ["chat", "-m", "a/b", "hi"], 7),
        (refusal(504, "provider_timeout"), ["chat", "-m", "a/b", "hi"], 7),
    ],
)
def test_each_exit_code_is_reached(alone, server, arguments, exit_code) -> None:
    with ExitStack() as stack:
        if server is not None:
            arguments = [*arguments, "--url", stack.enter_context(played(server)).url]
        done = alone(*arguments)
    assert done.code == exit_code, done
    if exit_code:
        first, *more = done.err.splitlines()
        assert first.startswith("waypost: ")
        assert all(line.startswith("hint: ") for line in more), done.err
        assert not done.out


def test_an_interrupted_command_exits_with_130(served) -> None:
    with terminal("requests", "tail", WAYPOST_DATA=str(served.data)) as screen:
        screen.wait_for("Ctrl-C leaves")
        screen.type("\x03")
        assert screen.end() == 130
    assert "Traceback" not in screen.shown


def test_whoever_has_read_enough_does_no_harm() -> None:
    """As `| head -1` does: the pipe is closed while there is more to say."""
    command = [*START, "practice", "--list-faults"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0
