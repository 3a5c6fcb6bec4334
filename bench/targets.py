"""What is measured: gateways in front of the canned provider, started, asked for their first answer, and stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bench.cores import placed
from bench.load import Route
from bench.processes import PYTHON_PATH, cpu_seconds, family, resident_bytes

PROMPT = "x" * 900
START_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 10.0
ANSWER_SECONDS_MAX = 10.0
POLL_SECONDS = 0.005
NGINX_FOLDERS = (os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")
NO_NGINX = (
    "it compares with nginx, and there is none: apt-get install nginx-light (macOS: brew install nginx). "
    "Or measure without it: ./dev bench --without-nginx."
)


class TargetFailed(Exception):
    """A gateway did not start or did not answer; the message says which and how."""


class Speech(NamedTuple):
    """How a gateway is asked; `KIND` in any of it stands for the kind of work."""

    path: str = "/v1/chat/completions"
    model: str = "bench/KIND"
    headers: tuple[tuple[str, str], ...] = ()

    def request(self, kind: str, model: str | None = None, headers: Mapping[str, str] | None = None) -> str:
        """A whole request, of another model and with other headers if need be."""
        body = json.dumps(
            {
                "model": (model or self.model).replace("KIND", kind),
                "messages": [{"role": "user", "content": PROMPT}],
                "stream": is_stream(kind),
            }
        )
        named = {"host": "127.0.0.1", "content-type": "application/json", **dict(self.headers), **(headers or {})}
        lines = [f"{name}: {value.replace('KIND', kind)}" for name, value in named.items()]
        head = [f"POST {self.path.replace('KIND', kind)} HTTP/1.1", *lines, f"content-length: {len(body)}", "", ""]
        return "\r\n".join(head) + body


def is_stream(kind: str) -> bool:
    """Whether the answer comes in frames."""
    return kind != "whole"


@dataclass
class Running:
    """A gateway that answers."""

    name: str
    port: int
    pid: int
    speech: Speech
    start_seconds: float = 0.0
    """From the start of its process to its first 200."""
    start_bytes: int = 0
    """Memory right after that."""
    peer: bool = False
    """Beside us and nginx: stands still while others are measured, and may fail."""

    def route(self, kind: str) -> Route:
        return Route(self.name, self.port, [self.speech.request(kind)], is_stream(kind))

    def cpu_seconds(self) -> float:
        return cpu_seconds(family(self.pid))

    def resident_bytes(self) -> int:
        return resident_bytes(family(self.pid))

    def stand_still(self) -> None:
        """Do nothing at all while others are measured."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        for pid in family(self.pid):
            os.kill(pid, which)


class Recipe(NamedTuple):
    """A gateway that can be started, more than once."""

    name: str
    start: Callable[[], AbstractContextManager[Running]]


class Launch(NamedTuple):
    """A gateway's process to be."""

    name: str
    command: list[str]
    port: int
    speech: Speech
    log: Path
    cores: frozenset[int] | None
    environment: Mapping[str, str] = {}
    """Beside ours."""


@contextmanager
def launched(launch: Launch) -> Iterator[Running]:
    """Start it and wait for its first answer. Raises TargetFailed, with the end of what it wrote.

    One that was given no port chooses it itself and prints its address, a line.
    """
    began = time.perf_counter()
    with started(launch, None if launch.port else subprocess.PIPE) as process:
        try:
            running = Running(launch.name, launch.port or printed_port(process), process.pid, launch.speech)
            await_answer(running, process, began)
        except TargetFailed as failed:
            raise TargetFailed(f"{failed}: {last_words(launch.log)}") from None
        yield running


def printed_port(process: subprocess.Popen[bytes]) -> int:
    """The port in the address that a process prints, `http://127.0.0.1:8080/v1`. Raises TargetFailed."""
    assert process.stdout is not None
    address = process.stdout.readline().decode(errors="replace").strip()
    port = urlsplit(address).port
    if port is None:
        raise TargetFailed(f"it printed {address!r} instead of its address")
    return port


@contextmanager
def started(launch: Launch, stdout: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process on its cores, with what it writes in a file, until the block ends."""
    with launch.log.open("ab") as log, placed(launch.cores):
        process = subprocess.Popen(
            launch.command,
            stdin=subprocess.DEVNULL,
            stdout=log if stdout is None else stdout,
            stderr=log,
            env={**os.environ, **launch.environment},
            cwd=launch.log.parent,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, with its children; insist where it does not."""
    pids = family(process.pid) if process.poll() is None else []
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def await_answer(running: Running, process: subprocess.Popen[bytes], began: float) -> None:
    """Ask until it answers 200; note how long that took and how much memory it needed. Raises TargetFailed."""
    request, status = running.speech.request("whole"), "nothing"
    while time.perf_counter() < began + START_SECONDS_MAX:
        status = first_line(running.port, request)
        if " 200 " in status:
            running.start_seconds = time.perf_counter() - began
            running.start_bytes = running.resident_bytes()
            return
        if process.poll() is not None:
            raise TargetFailed(f"{running.name} ended with {process.returncode} instead of answering")
        time.sleep(POLL_SECONDS)
    raise TargetFailed(f"{running.name} did not answer 200 within {START_SECONDS_MAX:.0f} s but {status!r}")


def first_line(port: int, request: str) -> str:
    """The status line of one call, or why there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS_MAX) as sock:
            sock.sendall(request.encode())
            return sock.recv(4096).split(b"\r\n", 1)[0].decode("latin-1") + " "
    except OSError as error:
        return str(error)


def last_words(log: Path, lines: int = 3) -> str:
    """The end of what a process wrote."""
    return " / ".join(log.read_text(errors="replace").strip().splitlines()[-lines:])[-600:] or "it wrote nothing"


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def canned(folder: Path, cores: frozenset[int] | None) -> Iterator[Running]:
    """The canned provider, which can be called directly too."""
    command = [sys.executable, "-m", "bench.upstream"]
    launch = Launch(
        "direct", command, 0, Speech("/KIND/v1/chat/completions"), folder / "upstream.log", cores, PYTHON_PATH
    )
    with started(launch, subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise TargetFailed(f"the canned provider did not start: {last_words(launch.log)}")
        yield Running("direct", int(line), process.pid, launch.speech)


def nginx_program(path: str) -> str:
    """Where nginx is; Debian keeps it off the path of ordinary users. Raises TargetFailed."""
    found = shutil.which("nginx", path=path)
    if found is None:
        raise TargetFailed(NO_NGINX)
    return found


class Nginx(NamedTuple):
    """nginx as a plain keep-alive proxy that counts nothing and writes nothing: the floor."""

    program: str
    folder: Path
    upstream: int
    cores: frozenset[int] | None
    workers: int

    @contextmanager
    def start(self) -> Iterator[Running]:
        port = free_port()
        conf, log = self.folder / "nginx.conf", self.folder / "nginx.log"
        conf.write_text(nginx_settings(self.folder, port, self.upstream, self.workers))
        command = [self.program, "-c", str(conf), "-p", str(self.folder)]
        with launched(Launch("nginx", command, port, Speech("/KIND/v1/chat/completions"), log, self.cores)) as running:
            yield running


def nginx_settings(folder: Path, port: int, upstream: int, workers: int) -> str:
    """Nothing but what a proxy for streams needs."""
    return f"""
worker_processes {workers}; pid {folder}/nginx.pid; daemon off; error_log {folder}/nginx.log;
events {{ worker_connections 16384; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream canned {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; keepalive_requests 100000000;
    location / {{
      proxy_pass http://canned; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 600s;
    }}
  }}
}}
"""


class BareRelay(NamedTuple):
    """Bytes from one socket to another, in Python: what the language costs."""

    folder: Path
    upstream: int
    cores: frozenset[int] | None

    @contextmanager
    def start(self) -> Iterator[Running]:
        port, log = free_port(), self.folder / "relay.log"
        command = [sys.executable, "-m", "bench.relay", str(port), str(self.upstream)]
        speech = Speech("/KIND/v1/chat/completions")
        with launched(Launch("bare relay", command, port, speech, log, self.cores, PYTHON_PATH)) as running:
            yield running


class Waypost(NamedTuple):
    """Ourselves, governed: token check, policy, limits, pulse and a durable waybill for every call."""

    folder: Path
    """Holds settings, data and the token."""
    settings: str
    cores: frozenset[int] | None
    workers: int
    name: str = "waypost"

    @contextmanager
    def start(self) -> Iterator[Running]:
        self.folder.mkdir(exist_ok=True)
        config, log, token = self.folder / "waypost.toml", self.folder / "log", self.folder / "token"
        config.write_text(self.settings)
        began = time.perf_counter()
        with started(
            Launch(self.name, self._command(config), 0, Speech(), log, self.cores), subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise TargetFailed(f"waypost did not start: {last_words(log)}")
            ready: dict[str, Any] = json.loads(line)
            if "token" in ready:
                token.write_text(ready["token"])
            speech = Speech(headers=(("authorization", f"Bearer {token.read_text()}"),))
            running = Running(self.name, int(ready["address"].rpartition(":")[2]), process.pid, speech)
            await_answer(running, process, began)
            yield running

    def _command(self, config: Path) -> list[str]:
        options = ["--port", "0", "--workers", str(self.workers), "--format", "json"]
        where = ["--data", str(self.folder / "data"), "--config", str(config)]
        return [sys.executable, "-m", "waypost", "serve", *where, *options]


COMMON_SETTINGS = """
[practice]
enabled = false
[credits]
included_usd_per_month = "1000000"
[log]
level = "warning"
[server]
drain_seconds_max = 0
[waybills]
keep_days = 36500
keep_rows_max = 1000000000
"""


def waypost_settings(upstream: int, kinds: tuple[str, ...]) -> str:
    """A provider and a model for each kind of work."""
    rows = [
        f'[providers.canned-{kind}]\nbase_url = "http://127.0.0.1:{upstream}/{kind}/v1"\n'
        f'[models."bench/{kind}".canned-{kind}]\n'
        'input_usd_per_million = "0.10"\noutput_usd_per_million = "0.30"\n'
        for kind in kinds
    ]
    return COMMON_SETTINGS + "".join(rows)
