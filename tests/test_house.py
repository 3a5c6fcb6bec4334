"""What the house promises its tests: each guard is seen to bite, and `./dev` to say what it means."""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import io
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import environment
import loopback
import pytest
from tidiness import ROOT

BAD_TESTS = """
import os, socket, threading, warnings
import pytest

def test_that_is_skipped():
    pytest.skip("not today")

def test_that_warns():
    warnings.warn("old", DeprecationWarning)

def test_that_leaves_a_socket_open():
    globals()["left"] = socket.socket()

def test_that_leaves_a_thread_running():
    event = threading.Event()
    globals()["event"] = event
    threading.Timer(1.0, event.set).start()

def test_that_reaches_out_and_swallows_the_refusal():
    with pytest.raises(Exception):
        socket.create_connection(("192.0.2.1", 80))

def test_that_leaves_a_task_behind(run):
    import asyncio
    async def leave():
        globals()["task"] = asyncio.ensure_future(asyncio.sleep(60))
    run(leave())

def test_that_finds_the_callers_key():
    assert "OPENAI_API_KEY" in os.environ
"""


def test_each_guard_of_the_test_suite_bites(tmp_path) -> None:
    (tmp_path / "test_bad.py").write_text(BAD_TESTS)
    environ = os.environ | {"CI": "true", "OPENAI_API_KEY": "sk-1"}  # noqa: TID251 (for the child)
    environ["PYTHONPATH"] = os.pathsep.join(str(ROOT / folder) for folder in ("tests", "tests/support", "tools"))
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "conftest", "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    wanted = {line.split("(")[0].removeprefix("def ") for line in BAD_TESTS.splitlines() if line.startswith("def test")}
    spoilt = {
        line.split("::")[1].split(" ")[0] for line in done.stdout.splitlines() if line[:6] in ("FAILED", "ERROR ")
    }
    assert spoilt == wanted, done.stdout


def test_python_and_uvloop_are_both_kept_on_loopback(run) -> None:
    async def reach_out() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(loopback.BeyondLoopbackError):
            await loop.create_connection(asyncio.Protocol, "192.0.2.1", 80)
        with pytest.raises(loopback.BeyondLoopbackError):
            await loop.getaddrinfo("example.com", 80)
        sock.setblocking(False)
        with pytest.raises(loopback.BeyondLoopbackError):
            await loop.sock_connect(sock, ("192.0.2.1", 80))

    with socket.socket() as sock:
        run(reach_out())
    with pytest.raises(loopback.BeyondLoopbackError):
        socket.getaddrinfo("example.com", 80)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(loopback.BeyondLoopbackError):
        sock.sendto(b"?", ("192.0.2.1", 53))
    assert len(loopback.trespasses) == 5
    loopback.trespasses.clear()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", None, b"127.0.0.1", "::1%lo"])
def test_loopback_in_all_its_spellings_is_let_through(host) -> None:
    assert loopback.is_loopback(host)


def dev(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / "dev"), *arguments],
        env=os.environ | variables,  # noqa: TID251 (for the child)
        capture_output=True,
        text=True,
        check=False,
    )


def test_dev_says_what_it_can_do() -> None:
    done = dev()
    assert done.returncode == 0
    assert all(f"  {word} " in done.stdout for word in ("serve", "test", "check", "bench", "docs", "waypost", "lock"))


def test_an_unknown_command_of_dev_is_a_usage_error() -> None:
    done = dev("sevre")
    assert done.returncode == 2
    assert "does not know 'sevre'" in done.stderr


def test_a_machine_without_a_python_new_enough_is_told_what_to_install(tmp_path) -> None:
    # A copy without environment, so that dev has to look for a Python.
    (tmp_path / "tools").mkdir()
    (tmp_path / "lock").mkdir()
    for name in ("dev", "tools/environment.py", "lock/runtime.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("dirname", "uname", "cat", "cksum", "rm"):
        tools.joinpath(name).symlink_to(next(Path(p, name) for p in ("/bin", "/usr/bin") if Path(p, name).exists()))
    done = subprocess.run(
        ["/bin/sh", str(tmp_path / "dev"), "serve"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr


@pytest.mark.parametrize("script", ["dev", ".ci/run"])
def test_the_scripts_are_executable_and_parse(script) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    shell = path.read_text().partition("\n")[0].removeprefix("#!").split()
    assert subprocess.run([*shell, "-n", str(path)], check=False).returncode == 0


# Where Python comes without pip, one wheel is fetched, and believed only by its hash.


class Index(http.server.BaseHTTPRequestHandler):
    """A package index of one page and one file, with relative links as mirrors write them."""

    wheel = b"this is a wheel"

    def do_GET(self) -> None:
        page = f'<a href="../../files/{environment.PIP_WHEEL}#sha256=0">pip</a>'.encode()
        body = {"/simple/pip/": page, f"/files/{environment.PIP_WHEEL}": self.wheel}.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing: tests are quiet."""


@pytest.fixture
def index():
    with http.server.HTTPServer(("127.0.0.1", 0), Index) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def test_the_pinned_pip_is_found_on_an_index(index, monkeypatch) -> None:
    monkeypatch.setattr(environment, "PIP_SHA256", hashlib.sha256(Index.wheel).hexdigest())
    assert environment.fetch_pip(index) == Index.wheel


def test_a_pip_with_another_hash_is_refused(index) -> None:
    with pytest.raises(environment.SetupFailed, match="not the file whose hash we keep"):
        environment.fetch_pip(index)


def test_an_index_without_that_pip_is_named_as_the_reason(index) -> None:
    with pytest.raises(environment.SetupFailed, match="could not be fetched"):
        environment.fetch_pip(index + "/elsewhere")


def test_a_finished_level_is_not_made_again(tmp_path, monkeypatch) -> None:
    stamps = {level: tmp_path / level for level in environment.STAMPS}
    monkeypatch.setattr(environment, "STAMPS", stamps)
    assert not environment.is_ready("runtime", "one")
    environment.write_stamp("runtime", "one")
    assert environment.is_ready("runtime", "one")
    assert not environment.is_ready("runtime", "two")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    environment.prepare({"runtime": "one"})
    assert sys.stderr.getvalue() == ""
