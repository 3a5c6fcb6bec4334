import re

import pytest

from waypost.store.invariants import INVARIANTS


def test_each_has_a_name_of_its_own():
    assert len({one.name for one in INVARIANTS}) == len(INVARIANTS)


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda one: one.name)
def test_each_is_a_sentence_and_finds_nothing_where_nothing_happened(sql, invariant):
    assert invariant.always.endswith(".")
    assert sql.row(invariant.broken) is None


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda one: one.name)
def test_each_sentence_names_columns_that_its_question_has(invariant):
    places = {int(place) for place in re.findall(r"\{(?:req:)?(\d)\}", invariant.says)}
    listed = re.split(r"\bFROM\b", invariant.broken, maxsplit=1)[0]
    depth, columns = 0, 1
    for sign in listed:
        depth += (sign == "(") - (sign == ")")
        columns += sign == "," and depth == 0
    assert places <= set(range(1, columns))
