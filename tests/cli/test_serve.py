"""The start screen: everything on it is true, and what can be pasted works."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from commandline import Done, running, waypost
from serving import Serving

from waypost.cli.options import Where
from waypost.cli.screen import Screen
from waypost.cli.serve_screen import Started, started
from waypost.cli.whereabouts import Standing, write_standing
from waypost.crew import Ready

LAST_LINE = "waypost chat"
READY = Ready(
    address="http://127.0.0.1:8080",
    data=Path("/data"),
    pid=1,
    user=None,
    token=None,
    models=3,
    providers=("groq", "practice-swift"),
    practice={"practice-swift": "http://127.0.0.1:1/v1"},
    model="acme/one",
    certificate=None,
    workers=1,
    notes=(),
)


@contextmanager
def on_screen(data: Path) -> Iterator[str]:
    """A server started as a person does, and what it has shown until it was ready."""
    with running("serve", "--port", 0, "--data", data) as process:
        shown = ""
        while LAST_LINE not in shown:
            line = process.stdout.readline()
            assert line, shown
            shown += line
        yield shown
    assert process.returncode == 0


def test_the_first_start_shows_a_token_and_a_line_that_works_when_pasted(tmp_path) -> None:
    data = tmp_path / "data"
    with on_screen(data) as shown:
        assert len(re.findall(r"^    (wp_\w{33})$", shown, re.MULTILINE)) == 1
        assert f"data       {data}\n" in shown
        assert "practice-swift, practice-thrifty, practice-flaky, together (practice: no key, no network)" in shown
        pasted = re.search(r"    (curl .*?\}')\n", shown, re.DOTALL)[1]
        answer = subprocess.run(["sh", "-c", f"{pasted} --silent"], capture_output=True, text=True, check=True)
        assert json.loads(answer.stdout)["choices"][0]["message"]["content"].startswith("Hello!")
        standing = json.loads((data / "server.json").read_text())
        assert standing["address"] in shown
        assert "practice-swift" in standing["practice"]
    assert not (data / "server.json").exists(), "it is taken away when the server ends"

    with on_screen(data) as shown:
        assert not re.search(r"wp_\w{33}", shown)
        assert f"tokens create NAME --data {data}\n" in shown
        assert "Bearer $WAYPOST_TOKEN" in shown


def test_a_killed_server_leaves_nothing_that_misleads(alone, tmp_path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as killed:
        standing = Standing("http://127.0.0.1:1", killed.pid, {})
        write_standing(tmp_path, standing)
        assert "127.0.0.1:1:" in alone("models", "list", "--data", tmp_path).err
        killed.kill()
        killed.wait()
    done = alone("models", "list", "--data", tmp_path)
    assert done.code == 4
    assert "http://127.0.0.1:8080:" in done.err


def lines(ready: Ready, where: Where | None = None, settings: str | None = None) -> str:
    return "\n".join(started(Screen("human"), Started(ready, settings, where or Where())))


def test_the_screen_marks_practice_and_names_what_was_read() -> None:
    shown = lines(READY, settings="/etc/waypost.toml")
    assert "groq; practice-swift (practice: no key, no network)" in shown
    assert "settings   /etc/waypost.toml" in shown
    assert "in another terminal in this folder" in shown
    assert "workers" not in shown
    assert "workers    3" in lines(READY._replace(workers=3))


def test_the_screen_names_the_database_where_one_holds_the_data() -> None:
    assert "database" not in lines(READY)
    assert "database   postgres://ada@db/x" in lines(READY._replace(database="postgres://ada@db/x"))


def test_lines_to_paste_name_the_folder_and_the_settings_that_were_named() -> None:
    shown = lines(READY, Where(data=Path("my data"), config=Path("x.toml")))
    assert "waypost chat --data 'my data' --config x.toml" in shown
    assert "waypost tokens create NAME --data 'my data' --config x.toml" in shown


def test_a_door_with_tls_is_called_with_its_certificate() -> None:
    shown = lines(READY._replace(address="https://127.0.0.1:8443", certificate=Path("/etc/c.pem")))
    assert "curl https://127.0.0.1:8443/v1/chat/completions \\\n      --cacert /etc/c.pem \\" in shown


def test_where_nothing_can_be_called_the_screen_says_what_to_do() -> None:
    shown = lines(READY._replace(model=None, providers=(), practice={}, models=0))
    assert "models sync" in shown
    assert "GROQ_API_KEY" in shown
    assert "curl" not in shown


def test_the_screen_has_colour_only_where_it_is_wanted() -> None:
    start = Started(READY, None, Where())
    assert any("\x1b[1m" in line for line in started(Screen("human", out_colour=True), start))
    assert not any("\x1b" in line for line in started(Screen("human"), start))


def test_the_ready_line_is_one_object(served: Serving) -> None:
    """What `serving` itself reads; the fields of a first start."""
    assert served.token
    assert served.user
    assert served.pid == served.process.pid
    assert (served.data / "server.json").exists()


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def check_stopped(done: Done, said: str) -> None:
    first, second = done.err.splitlines()
    assert done.code == 3
    assert first.startswith("waypost: ")
    assert said.lower() in first.lower()
    assert second.startswith("hint: ")
    assert done.out == ""


def test_what_stops_a_start_is_one_line_and_exit_3(tmp_path, taken) -> None:
    file = tmp_path / "file"
    file.write_text("")
    newer = tmp_path / "newer"
    newer.mkdir()
    connection = apsw.Connection(str(newer / "waypost.db"))
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    for arguments, said in (
        (["--port", taken, "--data", tmp_path / "a"], "address already in use"),
        (["--port", 0, "--data", file], "Cannot use the data folder"),
        (["--port", 0, "--data", newer], "written by a newer Waypost"),
    ):
        check_stopped(waypost("serve", *arguments, cwd=tmp_path), said)


def test_a_second_start_on_the_same_port_and_folder_names_the_first(served, tmp_path) -> None:
    done = waypost("serve", "--port", served.address.rpartition(":")[2], "--data", served.data, cwd=tmp_path)
    check_stopped(done, f"serves this data folder already, at {served.address} (pid {served.pid})")


def test_settings_that_stop_a_start_are_told_with_their_place(alone, tmp_path) -> None:
    file = tmp_path / "file"
    file.write_text("[server]\nprot = 1\n")
    check_stopped(alone("serve", "--config", file), f"{file}: server.prot is no setting")
    check_stopped(alone("serve", "--config", tmp_path / "none.toml"), "No such file")


def test_two_servers_of_one_folder_are_told_apart(served, tmp_path) -> None:
    done = waypost("serve", "--port", 0, "--data", served.data)
    assert done.code == 3
    assert f"in use by another Waypost (pid {served.pid})" in done.err
    assert json.loads((served.data / "server.json").read_text())["pid"] == served.pid
