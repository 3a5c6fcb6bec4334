"""Lists and single things in every format."""

from __future__ import annotations

import json

import pytest

from waypost.cli.amounts import count
from waypost.cli.columns import Column, cut, show_list, show_one, table, width
from waypost.cli.screen import Screen

ITEMS = [
    {"id": "alpha", "size": 1200, "note": None, "why": "because it is so"},
    {"id": "日本", "size": None, "note": None, "why": "\x1b[2Jnever\nmind"},
]
COLUMNS = (
    Column("NAME", lambda item: item["id"], key="id"),
    Column("SIZE IN BYTES", lambda item: item["size"], count, right=True),
    Column("NOTE", lambda item: item["note"], optional=True),
    Column("WHY", lambda item: item["why"], flex=True),
)


def shown(capsys, style: str, items=ITEMS) -> str:
    show_list(Screen(style), items, COLUMNS, "Nothing fits.")
    return capsys.readouterr().out


def test_people_get_an_aligned_table_without_empty_columns(capsys) -> None:
    assert shown(capsys, "human").splitlines() == [
        "NAME   SIZE IN BYTES  WHY",
        "alpha          1,200  because it is so",
        "日本               -  [2Jnever mind",
    ]


def test_programs_get_values_with_a_heading(capsys) -> None:
    assert shown(capsys, "tsv").splitlines() == [
        "id\tsize_in_bytes\tnote\twhy",
        "alpha\t1200\t\tbecause it is so",
        "日本\t\t\t[2Jnever mind",
    ]


def test_json_is_the_objects_themselves(capsys) -> None:
    assert json.loads(shown(capsys, "json")) == {"schema": 1, "data": ITEMS}


def test_quiet_is_the_first_column_alone(capsys) -> None:
    assert shown(capsys, "quiet").splitlines() == ["alpha", "日本"]


@pytest.mark.parametrize(("style", "out"), [("human", ""), ("quiet", ""), ("tsv", "id\tsize_in_bytes\tnote\twhy\n")])
def test_an_empty_list_is_said_to_people_on_stderr(capsys, style, out) -> None:
    show_list(Screen(style), [], COLUMNS, "Nothing fits.")
    assert capsys.readouterr() == (out, "Nothing fits.\n" if style == "human" else "")


def test_a_single_thing_has_a_line_for_each_fact(capsys) -> None:
    facts = [("id", "alpha"), ("long name", ["b", "a"]), ("unknown", None)]
    item = {"id": "alpha", "names": ["b", "a"], "unknown": None, "more": {"x": 1}}
    show_one(Screen("human"), item, facts)
    assert capsys.readouterr().out == "id         alpha\nlong name  a, b\n"
    show_one(Screen("tsv"), item, facts)
    assert capsys.readouterr().out == 'id\talpha\nnames\tb,a\nunknown\t\nmore\t{"x": 1}\n'
    show_one(Screen("quiet"), item, facts)
    assert capsys.readouterr().out == "alpha\n"
    show_one(Screen("json"), item, facts)
    assert json.loads(capsys.readouterr().out)["data"] == item


def test_on_a_narrow_terminal_only_what_may_be_cut_is_cut() -> None:
    for line in table(Screen("human", width=40), ITEMS, COLUMNS):
        assert width(line) <= 40
    narrowest = table(Screen("human", width=5), ITEMS, COLUMNS)
    assert narrowest[1] == "alpha          1,200  because it…"


def test_the_widest_column_gives_way_first() -> None:
    columns = (
        Column("A", lambda item: item[0], flex=True),
        Column("B", lambda item: item[1], flex=True),
    )
    lines = table(Screen("human", width=44), [("a" * 20, "b" * 60)], columns)
    assert lines[1] == "a" * 20 + "  " + "b" * 21 + "…"


def test_a_column_can_be_wider_than_what_is_in_it() -> None:
    columns = (Column("A", lambda item: item, wide=6), Column("B", lambda item: item, right=True, wide=4))
    assert table(Screen("human"), ["x"], columns) == ["A          B", "x          x"]


def test_wide_and_combining_characters_count_as_they_show() -> None:
    assert [width("abc"), width("日本"), width("e\u0301"), width("👩\u200d🚀")] == [3, 4, 1, 4]
    assert cut("日本語", 4) == "日…"
    assert cut("short", 5) == "short"
