"""The error table: codes that clients rely on, with statuses that say whether waiting helps."""

from __future__ import annotations

import re

import pytest

from waypost.domain.problems import CODES, Problem, Refusal

TRANSIENT = {"overloaded", "draining", "ledger_unavailable"}


def test_a_problem_takes_status_and_type_from_its_code() -> None:
    problem = Refusal("token_expired", "This token has expired.", why="It ended on 2026-01-01.", fix="Make another.")
    assert (problem.status, problem.type) == (401, "authentication_error")
    assert str(problem) == problem.message


def test_a_status_can_be_given_where_the_code_has_several() -> None:
    assert Problem("invalid_request", "The provider refused it.", status=422).status == 422


def test_an_unknown_code_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        Problem("made_up", "No such code.")


def test_only_what_passes_is_a_503() -> None:
    """Hugging Face's JavaScript client repeats a 503 for ever."""
    assert {code for code, row in CODES.items() if row.status == 503} == TRANSIENT


def test_every_row_of_the_error_table_reads_well() -> None:
    for code, row in CODES.items():
        assert re.fullmatch(r"[a-z][a-z_]+", code)
        assert 400 <= row.status < 600
        assert row.when.endswith("."), code
        assert len(row.when) <= 100, code
