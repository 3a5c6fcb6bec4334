from waypost.store.listeners import Listeners


def test_what_was_said_before_anybody_listened_is_told_to_the_first():
    listeners: Listeners[int] = Listeners([1])
    listeners.tell([2, 3])
    first, second = [], []
    listeners.add(first.extend)
    listeners.add(second.extend)
    listeners.tell([4])
    assert (first, second) == ([1, 2, 3, 4], [4])


def test_nothing_is_told_where_nothing_was_said():
    told = []
    Listeners([]).add(told.append)
    assert told == []
