"""What is printed where, and what never is."""

from __future__ import annotations

import io
import json
import sys

import pytest
from commandline import terminal

from waypost.cli.screen import Screen, as_called, cell, colour_wanted, plain, plain_lines

NASTY = "a\x1b[31mred\x1b]0;title\x07\x9b2J\u202eright\u2066left\x00\x7f\u200f\u2028b"


def test_what_a_terminal_obeys_is_taken_out_of_foreign_text() -> None:
    assert plain(NASTY) == "a[31mred]0;title2Jrightleftb"
    assert plain("one\ttwo\n three ") == "one two three"
    assert plain_lines("one\ttwo\r\n three\x1b[0m") == "one\ttwo\n three[0m"


@pytest.mark.parametrize("text", ["grüße", "日本語", "👩\u200d🚀", "naïve “quoted”"])
def test_text_of_every_language_stays_as_it_is(text) -> None:
    assert plain(text) == text


def test_json_on_a_terminal_holds_every_character_and_none_that_is_obeyed(capsys) -> None:
    Screen("json").json({"text": NASTY, "grüße": "日本語"})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"schema": 1, "data": {"text": NASTY, "grüße": "日本語"}}
    assert plain_lines(shown) == shown
    assert "日本語" in shown


def test_json_has_a_line_to_itself_where_it_is_one_of_many(capsys) -> None:
    Screen("json", width=80).json({"a": 1}, line=True)
    assert capsys.readouterr().out.count("\n") == 1
    Screen("json", width=80).json({"a": 1})
    assert capsys.readouterr().out.count("\n") > 3


def test_hints_are_for_people_alone_and_go_to_stderr(capsys) -> None:
    Screen("human").hint("try this")
    Screen("tsv").hint("try that")
    assert capsys.readouterr() == ("", "hint: try this\n")


def test_cells_for_programs_stay_on_one_line() -> None:
    values = [None, True, False, 1.5, ["a", "b"], {"a": None}, [["x"]], "tab\there\nand there"]
    assert [cell(value) for value in values] == [
        "", "true", "false", "1.5", "a,b", '{"a": null}', '[["x"]]', "tab here and there",
    ]  # fmt: skip


class TerminalText(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)],
)
def test_colour_is_for_terminals_that_want_it(monkeypatch, variables, wanted) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert colour_wanted(TerminalText()) is wanted
    assert not colour_wanted(io.StringIO())


def test_lines_to_paste_begin_as_the_command_was_called(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/waypost", "serve"])
    assert as_called("`waypost chat` or waypost.toml") == "`waypost chat` or waypost.toml"
    monkeypatch.setenv("WAYPOST_COMMAND", "./dev waypost")
    assert as_called("`waypost chat` in waypost-data") == "`./dev waypost chat` in waypost-data"
    assert as_called("waypost models show a/b") == "./dev waypost models show a/b"
    assert as_called("`waypost --help` says") == "`./dev waypost --help` says"
    assert as_called("Waypost serves; the waypost stands") == "Waypost serves; the waypost stands"


def test_a_terminal_gets_colour_and_with_no_color_none(tmp_path) -> None:
    for variables, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with terminal("doctor", "--offline", WAYPOST_DATA=str(tmp_path / "none"), **variables) as screen:
            screen.wait_for("well.")
            assert screen.end() == 0
        assert ("\x1b[" in screen.shown) is coloured
