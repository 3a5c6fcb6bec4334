import pytest

from waypost.store.sqlite.many_rows import ManyRows


@pytest.mark.parametrize("count", [0, 1, 3, 4, 21, 64, 150])
def test_every_row_is_written_in_few_statements(connection, count):
    seen = []
    connection.exec_trace = lambda _cursor, sql, _bindings: seen.append(sql) or True
    ManyRows("INSERT", "late", ("id",)).write(connection, [(number,) for number in range(count)])
    connection.exec_trace = None
    assert [number for (number,) in connection.execute("SELECT id FROM late ORDER BY id")] == list(range(count))
    assert len(seen) <= count // 64 + 9


def test_the_verb_says_what_happens_to_a_row_that_is_there(connection):
    rows = ManyRows("REPLACE", "strangers", ("slot", "id", "status", "trail"))
    rows.write(connection, [(1, 7, 401, b""), (1, 8, 401, b"")])
    assert connection.execute("SELECT id FROM strangers").fetchall() == [(8,)]
