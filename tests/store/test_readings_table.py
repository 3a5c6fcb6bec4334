from waypost.domain.pulse import PulseDelta
from waypost.store.readings_table import KEPT_MS, kept_readings, save_readings

NOW = 1_790_000_000_000


def delta(name: str, at_ms: int = NOW, value: float = 1.0) -> PulseDelta:
    return PulseDelta((name, "alpha"), at_ms, (value, 2.0))


def test_readings_come_back_as_they_were_and_the_newest_of_a_key_only(sql):
    save_readings(sql, [delta("one"), delta("two")], NOW)
    save_readings(sql, [delta("one", value=5.0)], NOW)
    assert sorted(kept_readings(sql)) == [delta("one", value=5.0), delta("two")]


def test_readings_that_say_nothing_any_more_are_dropped(sql):
    save_readings(sql, [delta("old", NOW - KEPT_MS - 1), delta("new")], NOW)
    assert kept_readings(sql) == [delta("new")]


def test_readings_of_another_shape_are_left_out(sql):
    sql.run("INSERT INTO pulse (key, at_ms, reading) VALUES (:key, 1, :reading)", {"key": b"1", "reading": b"\xc1"})
    assert kept_readings(sql) == []
