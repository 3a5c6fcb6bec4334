"""Which server is meant, and that a file of one that has ended means nothing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest

from waypost.cli.options import Where
from waypost.cli.whereabouts import (
    Standing,
    base_of,
    destination,
    forget_standing,
    is_running,
    read_standing,
    shown_host,
    write_private,
    write_standing,
)

HERE = Standing("http://127.0.0.1:8123", os.getpid(), {"practice-swift": "http://127.0.0.1:1/v1"}, None)


@pytest.fixture
def gone() -> int:
    """The pid of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_server_is_found_by_what_it_wrote(tmp_path) -> None:
    write_standing(tmp_path, HERE)
    assert read_standing(tmp_path) == HERE
    assert stat.S_IMODE((tmp_path / "server.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["server.json"]


def test_a_server_that_has_ended_is_no_server(tmp_path, gone) -> None:
    write_standing(tmp_path, HERE._replace(pid=gone))
    assert not is_running(gone)
    assert read_standing(tmp_path) is None
    assert is_running(1), "another user's process is one too"
    assert not is_running(1 << 60)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"address": 1}', '{"address": "x", "pid": "y"}', "null"])
def test_a_file_that_cannot_be_read_is_no_server(tmp_path, text) -> None:
    (tmp_path / "server.json").write_text(text)
    assert read_standing(tmp_path) is None
    assert read_standing(tmp_path / "nowhere") is None


def test_a_server_takes_its_own_file_away_and_no_other(tmp_path) -> None:
    write_standing(tmp_path, HERE)
    forget_standing(tmp_path, HERE.pid + 1)
    assert read_standing(tmp_path) == HERE
    forget_standing(tmp_path, HERE.pid)
    forget_standing(tmp_path, HERE.pid)
    assert not list(tmp_path.iterdir())


def test_the_server_of_the_data_folder_is_meant_before_the_address_in_the_settings(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "waypost.toml").write_text('[server]\nhost = "::1"\nport = 9999\n[store]\ndata_folder = "kept"\n')
    assert destination(Where()).base == "http://[::1]:9999"
    (tmp_path / "kept").mkdir()
    write_standing(tmp_path / "kept", HERE)
    found = destination(Where())
    assert (found.base, found.here, found.standing) == (HERE.address, tmp_path / "kept", HERE)
    assert destination(Where(data=tmp_path / "else")).base == "http://[::1]:9999"


def test_an_address_that_is_named_is_ours_only_where_our_server_has_it(tmp_path) -> None:
    write_standing(tmp_path, HERE)
    assert destination(Where(url=HERE.address + "/v1", data=tmp_path)).here == tmp_path
    for other in ("http://127.0.0.1:8124", "https://127.0.0.1:8123", "http://127.0.0.1.example.com:8123"):
        assert destination(Where(url=other, data=tmp_path)).here is None


def test_an_address_that_is_named_needs_no_settings(tmp_path) -> None:
    broken = tmp_path / "waypost.toml"
    broken.write_text("[")
    assert destination(Where(url="http://there", config=broken)).base == "http://there"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080"),
        ("https://router.example.com/", "https://router.example.com"),
        (" router.example.com/v1/ ", "http://router.example.com"),
    ],
)
def test_an_address_is_taken_as_people_paste_it(url, base) -> None:
    assert base_of(url) == base


def test_who_listens_everywhere_is_called_on_loopback() -> None:
    assert [shown_host(host) for host in ("0.0.0.0", "::", "::1", "example.com")] == [
        "127.0.0.1", "[::1]", "[::1]", "example.com",
    ]  # fmt: skip


def test_a_private_file_is_whole_or_not_there(tmp_path) -> None:
    write_private(tmp_path / "one", "first")
    with pytest.raises(TypeError):
        write_private(tmp_path / "one", json)
    assert (tmp_path / "one").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("url", ["ftp://here", "file:///etc/passwd", "://x"])
def test_an_address_that_no_waypost_has_is_a_usage_error(alone, url) -> None:
    done = alone("models", "list", "--url", url)
    assert done.code == 2
    assert "is no address of a Waypost" in done.err
