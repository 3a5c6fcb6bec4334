"""What SQLite's side of the seam does with SQLite's errors; the rest is in `store/test_sql.py`, on every engine."""

import apsw
import pytest

from waypost.store.sql import EngineTrouble, TryAgain, Unstorable
from waypost.store.sqlite.sql import SqliteSql, translated


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (apsw.ConstraintError, Unstorable),
        (apsw.FullError, TryAgain),
        (apsw.BusyError, TryAgain),
        (apsw.IOError, TryAgain),
        (apsw.CorruptError, EngineTrouble),
        (apsw.SQLError, apsw.SQLError),
    ],
)
def test_each_error_means_one_thing(error, meaning):
    with pytest.raises(meaning) as caught, translated():
        raise error("why")
    assert type(caught.value) is meaning
    assert "why" in str(caught.value)


def test_errors_come_out_of_savepoints_translated_too():
    connection = apsw.Connection(":memory:")
    sql = SqliteSql(connection)
    with pytest.raises(TryAgain), sql.savepoint():
        raise apsw.FullError("full")
    connection.close()
