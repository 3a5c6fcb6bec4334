"""Tables that people write: faults are collected, told on one line, and never repeat a secret."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from waypost.domain.kinds import LINE, VARIABLE, whole
from waypost.domain.tables import Fault, Place, did_you_mean, dotted, looks_secret, nearest, read_given, setting, shown


@dataclass(frozen=True)
class Shape:
    """A shape."""

    port: int = setting(whole(1, 9), 5, "A port.")
    name: str = setting(LINE, "x", "A name.")
    key_env: str | None = setting(VARIABLE, None, "Where the key is.")


def read(table):
    faults: list[Fault] = []
    given = read_given(Shape, table, Place("file.toml", "server", faults))
    return given, [fault.line for fault in faults]


def test_what_is_given_is_read_and_what_is_not_given_is_left_to_the_default() -> None:
    assert read({"port": 3}) == ({"port": 3}, [])
    assert Shape(**read({"port": 3})[0]) == Shape(3, "x", None)


def test_every_fault_is_told_and_the_good_values_stay() -> None:
    given, lines = read({"port": 10, "name": 7, "prot": 1})
    assert given == {}
    assert lines == [
        "file.toml: server.port must be a whole number from 1 to 9, not 10",
        "file.toml: server.name must be a text of one line, not empty, not 7",
        'file.toml: server.prot is no setting; did you mean "port"?',
    ]


def test_a_value_that_may_be_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    _, lines = read({"key_env": "sk-abcdef"})
    assert len(lines) == 1
    assert "sk-abcdef" not in lines[0]


def test_what_is_no_table_is_one_fault() -> None:
    assert read([1]) == ({}, ["file.toml: server must be a table, not [1]"])


def test_keys_that_somebody_else_reads_are_left_to_them() -> None:
    faults: list[Fault] = []
    assert read_given(Shape, {"alpha": {}}, Place("f", "", faults), also=["alpha"]) == {}
    assert faults == []


@pytest.mark.parametrize(
    ("key", "name", "whole_key"),
    [("", "server", "server"), ("server", "port", "server.port"), ("models", "acme/one", 'models."acme/one"')],
)
def test_keys_are_written_as_toml_writes_them(key, name, whole_key) -> None:
    assert dotted(key, name) == whole_key


def test_a_fault_is_one_line_whatever_stands_in_it() -> None:
    assert Fault("f", "a", "b\nc").line == "f: a b c"
    assert Fault("f", "ä", "\x1b[2J\x9b").line == r"f: ä \x1b[2J\x9b"
    assert "\n" not in shown("a\nb")
    assert len(shown("x" * 500)) == 40


def test_only_a_near_word_is_offered() -> None:
    assert nearest("prot", ["port", "host"]) == "port"
    assert nearest("colour", ["port", "host"]) is None
    assert did_you_mean("colour", ["port"]) == ""


@pytest.mark.parametrize("name", ["api_key", "Authorization", "x-secret", "passwd", "cookie"])
def test_names_of_secrets_are_known(name) -> None:
    assert looks_secret(name)
    assert not looks_secret("base_url")


def test_a_secret_setting_does_not_show_in_the_repr() -> None:
    assert "NAME" not in repr(Shape(key_env="NAME"))
