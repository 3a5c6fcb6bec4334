from waypost.domain.requests import first_number_at
from waypost.store.uses import due_uses

MINUTE = 60_000
NOW = 1_790_000_000_000


def test_a_use_is_due_when_the_written_one_is_old_enough():
    used = {1: first_number_at(NOW), 2: first_number_at(NOW), 3: first_number_at(NOW)}
    written = {1: NOW - MINUTE, 2: NOW - MINUTE + 1}
    assert due_uses(used, written, MINUTE) == {1: NOW, 3: NOW}


def test_calls_without_a_token_are_nobodys_use():
    assert due_uses({None: first_number_at(NOW)}, {}, 0) == {}
