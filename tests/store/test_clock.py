from waypost.store.clock import unix_ms, unix_seconds


def test_both_clocks_tell_the_same_time():
    assert abs(unix_ms() / 1000 - unix_seconds()) < 1
