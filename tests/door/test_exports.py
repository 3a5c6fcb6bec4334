"""Tables that leave: page by page, complete, and harmless where they arrive."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import run_to_end

from waypost.door.exports import Row, csv_export, json_export
from waypost.wire.csv_text import FORMULAS, csv_lines

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r\n"))


async def pages(*found: Sequence[Row]) -> AsyncIterator[Sequence[Row]]:
    for page in found:
        yield page


def body_of(response) -> bytes:
    async def gather() -> bytes:
        return b"".join([part if isinstance(part, bytes) else part.encode() async for part in response.body_iterator])

    return run_to_end(gather())


@pytest.mark.parametrize("found", [[], [[]], [[{"a": 1}], [{"a": 2}, {"a": 3}]], [[], [{"a": 1}], [], [{"a": 2}]]])
def test_pages_become_one_list(found) -> None:
    together = [row for page in found for row in page]
    assert json.loads(body_of(json_export(pages(*found)))) == {"object": "list", "data": together}
    reply = csv_export(("a",), pages(*found), "things")
    assert [int(row["a"]) for row in csv.DictReader(io.StringIO(body_of(reply).decode()))] == [r["a"] for r in together]
    assert reply.headers["content-disposition"] == 'attachment; filename="things.csv"'


@given(st.lists(st.fixed_dictionaries({"name": TEXTS, "amount": st.integers()}), min_size=1))
def test_every_row_comes_back_and_no_text_is_a_formula(rows) -> None:
    read = list(csv.DictReader(io.StringIO(csv_lines(("name", "amount"), rows), newline="")))
    assert [int(row["amount"]) for row in read] == [row["amount"] for row in rows]
    for before, after in zip(rows, read, strict=True):
        assert after["name"] == (f"'{before['name']}" if before["name"].startswith(FORMULAS) else before["name"])
        assert not after["name"].startswith(FORMULAS)


def test_what_is_not_known_is_empty() -> None:
    assert csv_lines(("a", "b"), [{"a": None}]) == "a,b\r\n,\r\n"
