import subprocess
import sys

import pytest

from waypost.store.books import DataError, Retention
from waypost.store.engines import engine_of

WITHOUT_PSYCOPG = """
import sys
sys.modules["psycopg"] = None
from pathlib import Path
from waypost.store.books import DataError
from waypost.store.engines import engine_of
engine_of(Path("x"))
try:
    engine_of(Path("x"), "postgres://x/y")
except DataError as error:
    print(error)
"""


def test_a_fresh_place_has_no_version_until_it_was_opened_once(folder, database):
    engine = engine_of(folder, database)
    assert engine.versions().data == 0
    writing = engine.open_writer(Retention(), lambda: 1)
    versions = engine.versions()
    assert versions.data == versions.newest > 0
    writing.scribe.close()


def test_a_reader_before_any_data_is_refused_in_one_line(folder, database):
    with pytest.raises(DataError, match=r"There is no data in .* yet\. Run `waypost serve` once"):
        engine_of(folder, database).open_reader()


def test_without_the_driver_it_says_what_to_install():
    done = subprocess.run([sys.executable, "-c", WITHOUT_PSYCOPG], check=True, capture_output=True, text=True)
    assert "pip install 'waypost[postgres]'" in done.stdout


def test_nobody_who_has_no_database_loads_the_driver():
    script = "import sys, waypost.store.owner, waypost.store.reader; print('psycopg' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
