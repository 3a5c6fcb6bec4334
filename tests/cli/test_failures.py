"""Errors of the house as one line and a hint."""

from __future__ import annotations

import pytest

from waypost.cli.exits import Exit, Stop
from waypost.cli.failures import one_line, stop_of
from waypost.domain.problems import Failed, Refusal
from waypost.domain.tables import Fault
from waypost.settings_file import SettingsError
from waypost.store.books import DataError


@pytest.mark.parametrize(
    ("error", "code", "message", "hint"),
    [
        (Stop(Exit.LIMIT, "said", "hint"), 6, "said", "hint"),
        (Refusal("token_revoked", "Revoked.", why="on Friday", fix="Make one."), 5, "Revoked: on Friday", "Make one."),
        (DataError("No folder.", "Make it."), 3, "No folder.", "Make it."),
        (FileNotFoundError(2, "No such file", "/x/y"), 3, "/x/y: no such file or directory.", None),
        (PermissionError(13, "Permission denied", "/x"), 3, "/x: permission denied.", None),
        (
            SettingsError([Fault("command line", "server.port", "is wrong")]),
            2,
            "command line: server.port is wrong",
            None,
        ),
        (SettingsError([Fault("command line", "b", "c"), Fault("a", "d", "e")]), 3, "command line: b c\na: d e", None),
        (SettingsError([Fault("a", "b", "c"), Fault("a", "d", "e")]), 3, "a: b c\na: d e", None),
    ],
)
def test_what_a_person_can_mend_says_how(error, code, message, hint) -> None:
    stop = stop_of(error)
    assert stop is not None
    assert (stop.code, stop.message) == (code, message)
    assert stop.hint
    assert hint is None or stop.hint == hint


def test_a_route_in_the_advice_becomes_a_command() -> None:
    stop = stop_of(Refusal("model_not_found", "None.", why="no", fix="GET /v1/models lists every model."))
    assert stop is not None
    assert stop.hint == "`waypost models list` lists every model."


def test_a_failed_call_names_its_waybill() -> None:
    failed = Failed("provider_failed", "Nobody answered.", fix="Wait.", extra={"request_id": "req_1"})
    stop = stop_of(failed)
    assert stop is not None
    assert stop.request_id == "req_1"
    assert stop.hint == "Wait. `waypost explain req_1` shows every attempt."


@pytest.mark.parametrize("bug", [ValueError("no"), KeyError("x"), OSError("of no file")])
def test_a_bug_stays_a_bug(bug) -> None:
    assert stop_of(bug) is None


def test_evidence_is_said_once() -> None:
    assert one_line("It failed.", "") == "It failed."
    assert one_line("It failed.", "the disk is full") == "It failed: the disk is full"
    assert one_line("Did you mean this?", "there is no that") == "Did you mean this? (there is no that)"
    assert one_line("It failed: the disk is full.", "the disk is full") == "It failed: the disk is full."
