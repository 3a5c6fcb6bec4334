"""What is declared is done: every command has a body that takes what the grammar gives it, and a page."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator

import click
import pytest

from waypost import settings_layers, settings_table
from waypost.cli import completing, grammar_calls, grammar_money, grammar_people
from waypost.cli.grammar_reference import command_line_reference, helps
from waypost.cli.main import waypost
from waypost.cli.options import Where
from waypost.domain import callers
from waypost.domain.payers import ROLES
from waypost.domain.waybill import Outcome
from waypost.store.usage import GROUPS


def commands(group: click.Group = waypost, path: str = "waypost") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


EVERY = dict(commands())


@pytest.mark.parametrize("path", EVERY)
def test_every_command_has_a_body_that_takes_its_options(path) -> None:
    command = EVERY[path]
    module, _, name = command.callback.place.partition(":")
    body = inspect.signature(getattr(importlib.import_module(f"waypost.cli.{module}"), name))
    given = {parameter.name for parameter in command.params} - {*Where._fields, "style"}
    takes = list(body.parameters.values())[1:]
    if any(one.kind is one.VAR_KEYWORD for one in takes):
        named = {one.name for one in takes if one.kind is not one.VAR_KEYWORD}
        assert named <= given
    else:
        assert {one.name for one in takes} == given


def test_words_that_the_grammar_repeats_are_those_of_the_house() -> None:
    assert grammar_people.KINDS == callers.KINDS
    assert grammar_people.SCOPES == callers.SCOPES
    assert grammar_people.POLICIES == completing.POLICIES == settings_table.POLICIES
    assert grammar_money.ROLES == ROLES
    assert set(grammar_money.GROUPS) == set(GROUPS)
    assert set(grammar_calls.OUTCOMES) == {str(outcome) for outcome in Outcome}
    assert completing.DATA_FOLDER == settings_layers.DATA_FOLDER


def test_no_command_has_an_argument_named_like_a_shared_option() -> None:
    for path, command in EVERY.items():
        arguments = {parameter.name for parameter in command.params if isinstance(parameter, click.Argument)}
        assert not arguments & {*Where._fields, "style"}, path


def test_every_command_and_option_says_what_it_is_for() -> None:
    for path, command in EVERY.items():
        assert command.help, path
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{path} {parameter.name}"


def test_the_page_shows_the_help_of_every_command() -> None:
    page = command_line_reference()
    shown = dict(helps())
    assert EVERY.keys() <= shown.keys()
    assert all(f"## `{path}`\n\n```text\n{text}\n```" in page for path, text in shown.items())
    assert all(f"| {code} |" in page for code in (0, 1, 2, 3, 4, 5, 6, 7, 130))


@pytest.mark.parametrize("path", [path for path, command in EVERY.items() if "serve" not in path])
def test_data_can_be_had_in_every_format(path) -> None:
    styles = {parameter.name: parameter for parameter in EVERY[path].params}.get("style")
    without = {"waypost init", "waypost completion"}
    assert (styles is None) == (path in without)
