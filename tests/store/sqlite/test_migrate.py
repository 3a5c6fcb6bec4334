import apsw
import pytest

from waypost.store.books import DataError
from waypost.store.sqlite.folder import DATABASE, open_reader
from waypost.store.sqlite.migrate import data_version, known_migrations, migrate

FIRST = (1, "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT")
SECOND = (2, "ALTER TABLE things ADD COLUMN size INTEGER; UPDATE things SET size = length(name)")
BROKEN = (3, "ALTER TABLE things ADD COLUMN colour TEXT; CREATE TABLE things (id INTEGER) STRICT")
UNSOUND = (3, "CREATE TABLE parts (thing INTEGER REFERENCES things (id)) STRICT; INSERT INTO parts VALUES (99)")


@pytest.fixture
def data(folder):
    """Data as the first version left it."""
    connection = apsw.Connection(str(folder / DATABASE))
    migrate(connection, folder / DATABASE, [FIRST])
    connection.execute("INSERT INTO things (name) VALUES ('lamp')")
    yield connection
    connection.close()


def path_of(connection):
    return connection.filename


def columns(connection):
    return [name for (name,) in connection.execute("SELECT name FROM pragma_table_info('things')")]


def test_shipped_migrations_are_numbered_without_gaps():
    assert [number for number, _ in known_migrations()] == list(range(1, len(known_migrations()) + 1))


def test_an_empty_folder_gets_every_migration(connection):
    assert data_version(connection) == known_migrations()[-1][0]


def test_older_data_is_brought_forward_with_everything_in_it(data, folder):
    migrate(data, folder / DATABASE, [FIRST, SECOND])
    assert data.execute("SELECT name, size FROM things").fetchall() == [("lamp", 4)]
    assert data_version(data) == 2
    assert [file.name for file in folder.iterdir()] == [DATABASE], "no copy is left behind"


def test_a_migration_runs_once(data, folder):
    for _ in range(2):
        migrate(data, folder / DATABASE, [FIRST, SECOND])
    assert columns(data) == ["id", "name", "size"]


def test_a_migration_that_fails_on_the_copy_leaves_the_data_alone(data, folder):
    with pytest.raises(DataError, match=r"could not be brought to version 3.*Nothing was changed"):
        migrate(data, folder / DATABASE, [FIRST, SECOND, BROKEN])
    assert (columns(data), data_version(data)) == (["id", "name"], 1)
    assert [file.name for file in folder.iterdir()] == [DATABASE]


def test_a_migration_that_leaves_unsound_data_is_found_on_the_copy(data, folder):
    with pytest.raises(DataError, match="points nowhere"):
        migrate(data, folder / DATABASE, [FIRST, SECOND, UNSOUND])
    assert data_version(data) == 1


def test_data_of_a_newer_version_is_refused_and_untouched(data, folder):
    migrate(data, folder / DATABASE, [FIRST, SECOND])
    with pytest.raises(DataError, match=r"version 2, written by a newer Waypost; this one knows 1"):
        migrate(data, folder / DATABASE, [FIRST])
    assert data_version(data) == 2


@pytest.mark.parametrize(("step", "message"), [(1, "written by a newer Waypost"), (-1, "brings the data forward")])
def test_data_of_another_version_is_not_read(connection, folder, step, message):
    open_reader(folder).close()
    connection.pragma("user_version", data_version(connection) + step)
    with pytest.raises(DataError, match=message):
        open_reader(folder)
