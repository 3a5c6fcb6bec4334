"""Log lines, for people and for machines."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from waypost.logs import log_to_stderr


@pytest.fixture
def root():
    """The root logger, put back as it was."""
    logger = logging.getLogger()
    level, handlers = logger.level, logger.handlers[:]
    logger.handlers.clear()
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def said(style: str, monkeypatch) -> str:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    log_to_stderr("info", style)
    log = logging.getLogger("waypost.test")
    log.debug("not at this level")
    log.info("%d models", 7)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        log.exception("a bug: »%s«", "ü")
    return stream.getvalue()


def test_a_line_for_people_begins_with_its_level(root, monkeypatch) -> None:
    lines = said("human", monkeypatch).splitlines()
    assert lines[0] == "INFO     7 models"
    assert lines[1] == "ERROR    a bug: »ü«"
    assert lines[-1] == "ZeroDivisionError"


def test_a_line_for_machines_is_one_object_with_its_trace(root, monkeypatch) -> None:
    first, second = map(json.loads, said("json", monkeypatch).splitlines())
    assert (first["level"], first["name"], first["message"]) == ("info", "waypost.test", "7 models")
    assert first["at"].endswith("+00:00")
    assert "trace" not in first
    assert second["trace"].endswith("ZeroDivisionError")
