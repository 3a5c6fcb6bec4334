from hypothesis import given
from hypothesis import strategies as st

from waypost.routing.kept import Kept


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=300), st.integers(2, 20))
def test_it_never_holds_more_than_its_limit_and_never_lies(steps, limit) -> None:
    kept: Kept[int, str] = Kept(limit)
    for put, key in steps:
        if put:
            kept.put(key, str(key))
        assert kept.get(key) in (None, str(key))
        assert len(kept) <= limit


def test_what_is_asked_for_again_and_again_stays_while_others_pass_through() -> None:
    kept: Kept[int, str] = Kept(10)
    kept.put(-1, "often")
    for key in range(100):
        kept.put(key, "once")
        assert kept.get(-1) == "often"
    assert kept.get(0) is None


def test_nothing_is_found_once_it_is_cleared() -> None:
    kept: Kept[int, str] = Kept(2)
    for key in range(3):
        kept.put(key, "x")
    kept.clear()
    assert [kept.get(key) for key in range(3)] == [None] * 3
