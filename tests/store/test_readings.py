from waypost.domain.pulse import PulseDelta
from waypost.store.readings import Shelf


def delta(name: str, value: float) -> PulseDelta:
    return PulseDelta((name, "alpha"), 1, (value,))


def test_the_newest_reading_of_a_key_replaces_the_one_before():
    shelf = Shelf([delta("one", 1), delta("two", 1)])
    shelf.put([delta("one", 2)])
    assert sorted(shelf.everything()) == [delta("one", 2), delta("two", 1)]


def test_only_what_is_new_is_written_and_only_once():
    shelf = Shelf([delta("two", 1)])
    shelf.put([delta("one", 1), delta("one", 2)])
    assert shelf.take_unsaved() == [delta("one", 2)]
    assert shelf.take_unsaved() == []
