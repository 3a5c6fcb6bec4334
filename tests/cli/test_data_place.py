import os

from waypost.cli.data_place import data_at
from waypost.cli.options import Where
from waypost.cli.whereabouts import Standing, write_standing


def test_a_folder_alone_holds_its_data_itself(tmp_path):
    assert data_at(Where(data=tmp_path)) == (tmp_path, None)


def test_a_database_that_the_settings_name_is_the_one(tmp_path, monkeypatch):
    monkeypatch.setenv("WAYPOST_DATABASE", "postgres://ada:geheim@db/x")
    assert data_at(Where(data=tmp_path)) == (tmp_path, "postgres://ada:geheim@db/x")


def test_else_it_is_the_one_of_the_server_that_runs_on_the_folder(tmp_path):
    write_standing(tmp_path, Standing("http://127.0.0.1:1", os.getpid(), {}, None, "postgres://ada@db/x"))
    assert data_at(Where(data=tmp_path)) == (tmp_path, "postgres://ada@db/x")


def test_a_server_that_has_ended_says_nothing(tmp_path):
    write_standing(tmp_path, Standing("http://127.0.0.1:1", 2**30, {}, None, "postgres://ada@db/x"))
    assert data_at(Where(data=tmp_path)) == (tmp_path, None)
