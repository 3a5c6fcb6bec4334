"""Lists and single things in every format."""

from __future__ import annotations

import json

import pytest

from waypost.cli.amounts import count
from waypost.cli.columns import Column, cut, folded, lines_of, show_list, show_one, table, width
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


def test_reasons_go_on_in_the_next_line_and_lose_no_word() -> None:
    columns = (Column("A", lambda item: item[0]), Column("WHY", lambda item: item[1], flex=True, wrap=True))
    rows = [("first", "it takes no images at all"), ("next", "short")]
    assert table(Screen("human", width=22), rows, columns) == [
        "A      WHY",
        "first  it takes no",
        "       images at all",
        "next   short",
    ]


def test_equally_wide_columns_give_way_alike() -> None:
    columns = (Column("A", lambda item: item, flex=True), Column("B", lambda item: item, flex=True))
    heading = table(Screen("human", width=44), ["x" * 60], columns)[0]
    assert heading.index("B") == 21 + 2


@pytest.mark.parametrize(
    ("text", "places", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("a practice-thrifty b", 10, ["a", "practice-t", "hrifty b"]),
        ("日本語", 4, ["日本", "語"]),
        ("日", 1, ["日", ""]),
        ("", 5, [""]),
    ],
)
def test_text_is_folded_without_loss(text, places, lines) -> None:
    assert folded(text, places) == lines


def test_a_column_without_colour_in_a_further_line_is_not_painted() -> None:
    columns = (
        Column("A", lambda item: item[0], paint=lambda _, text: f"<{text}>"),
        Column("WHY", lambda item: item[1], flex=True, wrap=True),
    )
    assert table(Screen("human", width=15), [("x", "many words here")], columns)[1:] == ["<x>  many words", "   here"]


def test_where_there_is_no_room_the_most_spare_column_is_left_out_first() -> None:
    columns = (
        Column("A", lambda item: item * 6),
        Column("B", lambda item: item * 7, spare=1),
        Column("C", lambda item: item * 8, spare=2),
        Column("D", lambda item: item * 20, flex=True),
    )

    def headings(places: int | None) -> list[str]:
        return table(Screen("human", width=places), ["x"], columns)[0].split()

    assert headings(None) == headings(39) == ["A", "B", "C", "D"]
    assert headings(38) == ["A", "B", "D"]
    assert headings(28) == headings(3) == ["A", "D"]


def test_lines_printed_one_by_one_keep_their_columns_whatever_is_in_them() -> None:
    columns = (Column("A", lambda item: item, wide=6), Column("B", lambda item: item, wide=6, spare=1))
    for item in ("x", "x" * 10):
        assert table(Screen("human", width=14), [item], columns)[0].split() == ["A", "B"]


def test_a_column_can_be_wider_than_what_is_in_it() -> None:
    columns = (Column("A", lambda item: item, wide=6), Column("B", lambda item: item, right=True, wide=4))
    assert table(Screen("human"), ["x"], columns) == ["A          B", "x          x"]


def test_wide_and_combining_characters_count_as_they_show() -> None:
    assert [width("abc"), width("日本"), width("e\u0301"), width("👩\u200d🚀")] == [3, 4, 1, 4]
    assert cut("日本語", 4) == "日…"
    assert cut("short", 5) == "short"


def test_where_no_table_fits_each_thing_has_a_paragraph_that_loses_nothing() -> None:
    columns = (
        Column("NAME", lambda item: item[0], paint=lambda _, text: f"<{text}>"),
        Column("NOTHING", lambda _: None),
        Column("LONG REASON", lambda item: item[1], flex=True),
    )
    items = [("alpha", "one two three four"), ("beta", "five")]
    assert lines_of(Screen("human", width=33), items, columns)[0].split() == ["NAME", "NOTHING", "LONG", "REASON"]
    assert lines_of(Screen("human", width=27), items, columns) == [
        "NAME         <alpha>",
        "LONG REASON  one two three",
        "             four",
        "",
        "NAME         <beta>",
        "LONG REASON  five",
    ]
