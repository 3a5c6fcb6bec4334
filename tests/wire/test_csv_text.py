"""Rows as comma-separated values come back as they were, and no cell is a formula."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from waypost.wire.csv_text import FORMULAS, csv_lines

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r\n"))


@given(st.lists(st.fixed_dictionaries({"name": TEXTS, "amount": st.integers()}), min_size=1))
def test_every_row_comes_back_and_no_text_is_a_formula(rows) -> None:
    read = list(csv.DictReader(io.StringIO(csv_lines(("name", "amount"), rows), newline="")))
    assert [int(row["amount"]) for row in read] == [row["amount"] for row in rows]
    for before, after in zip(rows, read, strict=True):
        assert after["name"] == (f"'{before['name']}" if before["name"].startswith(FORMULAS) else before["name"])
        assert not after["name"].startswith(FORMULAS)


def test_what_is_not_known_is_empty() -> None:
    assert csv_lines(("a", "b"), [{"a": None}]) == "a,b\r\n,\r\n"
