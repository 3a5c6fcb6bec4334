"""Errors of the house as the end of a command. Imported only when something went wrong."""

from __future__ import annotations

import os
from typing import Final

from waypost.cli.exits import Exit, Stop, exit_of
from waypost.domain.problems import Problem
from waypost.settings_file import SettingsError
from waypost.settings_layers import COMMAND_LINE
from waypost.store.books import DataError

HERE: Final = {"GET /v1/models": "`waypost models list`", "GET /v1/requests": "`waypost requests list`"}
"""Routes that a router names in its advice, and what does the same on a command line."""


def stop_of(error: Exception) -> Stop | None:
    """The end that an error means; None for a bug, which stays one."""
    if isinstance(error, Stop):
        return error
    if isinstance(error, Problem):
        return stop_of_problem(error)
    if isinstance(error, DataError):
        return Stop(Exit.SETTINGS, error.message, error.fix)
    if isinstance(error, SettingsError) and all(fault.where == COMMAND_LINE for fault in error.faults):
        return Stop(Exit.USAGE, str(error), "Correct the option; `waypost serve --help` lists them.")
    if isinstance(error, SettingsError):
        return Stop(Exit.SETTINGS, str(error), "Correct the settings; `waypost config check` reads them again.")
    if isinstance(error, OSError) and error.filename is not None:
        what = os.strerror(error.errno or 0).lower()
        return Stop(Exit.SETTINGS, f"{error.filename}: {what}.", "Check the path and its permissions.")
    return None


def stop_of_problem(problem: Problem) -> Stop:
    """The rule and the evidence in one line, and the fix."""
    code = exit_of(problem.code, problem.status)
    request_id = problem.extra.get("request_id")
    fix = said_here(problem.fix)
    if code is Exit.PROVIDER and request_id:
        fix = f"{fix} `waypost explain {request_id}` shows every attempt.".strip()
    return Stop(code, one_line(problem.message, problem.why), fix, request_id)


def said_here(fix: str) -> str:
    """A router's advice, as it is followed on a command line."""
    for route, command in HERE.items():
        fix = fix.replace(route, command)
    return fix


def one_line(message: str, why: str) -> str:
    """`The rule: the evidence`; behind a question the evidence stands in brackets."""
    if not why or why in message:
        return message
    said = message.rstrip()
    return f"{said} ({why})" if said.endswith("?") else f"{said.rstrip('.')}: {why}"
