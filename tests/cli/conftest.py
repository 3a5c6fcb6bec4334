"""One server for all tests of the command line, and the command line in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from commandline import Done, waypost
from serving import Serving, serving

from waypost.cli.main import run

Cli = Callable[..., Done]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A running server with practice providers; its first start, so that its token is known."""
    with serving(tmp_path_factory.mktemp("served") / "data") as server:
        yield server


@pytest.fixture
def shell(served: Serving) -> Cli:
    """`shell("models", "list")`: a process of its own, which finds the server by its data folder."""
    return partial(waypost, WAYPOST_DATA=str(served.data))


@pytest.fixture
def cli(served: Serving, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The same within this process, for tests that look at what is printed and not at how."""
    monkeypatch.setenv("WAYPOST_DATA", str(served.data))
    return _within(capsys)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in an empty folder, where no server runs."""
    monkeypatch.chdir(tmp_path)
    return _within(capsys)


def _within(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: object) -> Done:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return call
