from array import array

from hypothesis import given
from hypothesis import strategies as st

from waypost.store.sqlite.postings import FEW_MAX, FIELDS, descending, field_of, grouped, key_of, pack, unpack

places = st.lists(st.integers(0, 6000), unique=True, min_size=1, max_size=300).map(sorted)


@given(places)
def test_places_come_back_as_they_were_stored(held):
    assert list(descending(unpack(pack(held)))) == held[::-1]


@given(places, places)
def test_places_of_two_keys_meet_where_both_stand(one, other):
    assert set(descending(unpack(pack(one)) & unpack(pack(other)))) == set(one) & set(other)


def test_few_places_take_two_bytes_each_and_many_an_eighth():
    assert len(pack(list(range(0, 4096, 4096 // FEW_MAX)))) == 1 + 2 * FEW_MAX
    assert len(pack(list(range(4096)))) == 1 + 512


def test_a_key_says_which_column_it_is_of():
    keys = {key_of(field, value) for field in FIELDS for value in (0, 1, 77)}
    assert len(keys) == 3 * len(FIELDS)
    assert all(field_of(key_of(field, 5)) == field for field in FIELDS)


def test_a_column_is_grouped_by_value_and_nothing_is_said_of_empty_ones():
    held = grouped("model", [4, None, 4, 9])
    assert held == {key_of("model", 4): pack([0, 2]), key_of("model", 9): pack([3])}
    assert array("H", held[key_of("model", 4)][1:]).tolist() == [0, 2]
