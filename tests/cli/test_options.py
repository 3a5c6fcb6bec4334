"""How a command is carried out: handed its screen and its place, and ended by what a person can mend."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.shell_completion import CompletionItem

from waypost.cli.exits import Exit, Stop
from waypost.cli.options import Call, Completed, Where, done_by, server_options, stop_of, usage_error
from waypost.domain.problems import Refusal


@click.command()
@click.argument("word")
@server_options
@done_by("options:usage_error")
def spoken(**given: object) -> None:
    """Is done by a function that takes other things."""


def test_a_body_is_handed_a_call_and_its_own_options(monkeypatch) -> None:
    seen = []
    monkeypatch.setattr("waypost.cli.options.usage_error", lambda call, **given: seen.append((call, given)))
    monkeypatch.setenv("WAYPOST_TOKEN", "secret")
    spoken.main(["hello", "--url", "http://x", "--data", "d"], standalone_mode=False)
    (call, given) = seen[0]
    assert isinstance(call, Call)
    assert call.where == Where("http://x", "secret", Path("d"), None)
    assert call.screen.style == "human"
    assert given == {"word": "hello"}


def test_what_a_body_returns_is_the_exit_code(monkeypatch) -> None:
    monkeypatch.setattr("waypost.cli.options.usage_error", lambda call, **given: given["word"])
    assert spoken.callback(word=None) is None
    assert spoken.callback(word=Exit.FINE) is None
    with pytest.raises(SystemExit) as end:
        spoken.callback(word=Exit.NOT_WELL)
    assert end.value.code == 1


def test_an_error_that_a_person_can_mend_becomes_a_stop_and_a_bug_stays_one(monkeypatch) -> None:
    def refuse(call: object, **given: object) -> None:
        raise given["word"]

    monkeypatch.setattr("waypost.cli.options.usage_error", refuse)
    run = spoken.callback
    with pytest.raises(Stop, match=r"No\.") as stopped:
        run(word=Refusal("rate_limited", "No."))
    assert stopped.value.code == 6
    with pytest.raises(ZeroDivisionError):
        run(word=ZeroDivisionError())


def test_a_usage_error_is_a_stop_with_exit_code_2() -> None:
    stop = usage_error("Wrong.", "Right.")
    assert (stop.code, stop.message, stop.hint) == (2, "Wrong.", "Right.")
    assert stop_of(stop) is stop


def test_a_completion_that_fails_offers_nothing_and_says_nothing(alone, capsys) -> None:
    context = click.Context(spoken)
    context.params = {"url": "http://127.0.0.1:1"}
    assert Completed("models").shell_complete(context, spoken.params[0], "p") == []
    assert Completed("no such function").shell_complete(context, spoken.params[0], "p") == []
    assert capsys.readouterr() == ("", "")


def test_a_completion_offers_what_begins_as_the_word_does(monkeypatch) -> None:
    monkeypatch.setattr("waypost.cli.completing.models", lambda params, begun: ["acme/one", "beta/two"])
    items = Completed("models").shell_complete(click.Context(spoken), spoken.params[0], "ac")
    assert [item.value for item in items if isinstance(item, CompletionItem)] == ["acme/one"]
