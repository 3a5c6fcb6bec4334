"""What is measured: nginx and Waypost doing the same work, each pinned to one core and alone on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

UPSTREAM_PORT, NGINX_PORT = 19901, 19902
KINDS = ("whole", "burst", "paced", "idle")
START_SECONDS_MAX = 60.0


@dataclass
class Target:
    """A running gateway."""

    name: str
    port: int
    pids: list[int]
    headers: dict[str, str] = field(default_factory=dict)
    rewrite: bool = False
    """nginx takes the kind from the path; we take it from the model."""
    start_seconds: float = 0.0

    def path(self, kind: str) -> str:
        return f"/{kind}/v1/chat/completions" if self.rewrite else "/v1/chat/completions"

    def cpu_seconds(self) -> float:
        """User and system time of all its processes and threads so far."""
        return sum(int(f.read_text().split()[0]) for pid in self.pids for f in _threads(pid)) / 1e9

    def memory_mb(self) -> float:
        """Resident memory of all its processes."""
        return sum(_resident_kb(pid) for pid in self.pids) / 1024


def _threads(pid: int) -> Iterator[Path]:
    return Path(f"/proc/{pid}/task").glob("*/schedstat")


def _resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def pinned(command: list[str], cpu: int | None, **more: object) -> subprocess.Popen[bytes]:
    """Start a process on one core, or on any."""
    prefix = ["taskset", "-c", str(cpu)] if cpu is not None else []
    return subprocess.Popen([*prefix, *command], **more)  # type: ignore[call-overload,no-any-return]


@contextmanager
def upstream(cpu: int | None) -> Iterator[None]:
    """The canned provider."""
    process = pinned([sys.executable, "-m", "bench.upstream", str(UPSTREAM_PORT)], cpu)
    try:
        time.sleep(0.5)
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def nginx(folder: Path, cpu: int | None) -> Iterator[Target]:
    """Debian's nginx as a plain keep-alive proxy: the floor."""
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        raise SystemExit("./dev bench compares with nginx: apt-get install nginx-light")
    conf = folder / "nginx.conf"
    conf.write_text(f"""
worker_processes 1; pid {folder}/nginx.pid; daemon off; error_log {folder}/nginx.log;
events {{ worker_connections 16384; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream canned {{ server 127.0.0.1:{UPSTREAM_PORT}; keepalive 512; }}
  server {{
    listen 127.0.0.1:{NGINX_PORT} backlog=4096; keepalive_requests 100000000;
    location / {{
      proxy_pass http://canned; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 600s;
    }}
  }}
}}
""")
    process = pinned([program, "-c", str(conf)], cpu, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Target("nginx", NGINX_PORT, [int(pid) for pid in workers], rewrite=True)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def waypost(folder: Path, cpu: int | None, *, more_settings: str = "", workers: int = 1) -> Iterator[Target]:
    """Ourselves, governed: token check, policy, pulse and a durable waybill for every call."""
    config = folder / "waypost.toml"
    rows = "".join(
        f'[providers.canned-{kind}]\nbase_url = "http://127.0.0.1:{UPSTREAM_PORT}/{kind}/v1"\n'
        f'[models."bench/{kind}".canned-{kind}]\n'
        'input_usd_per_million = "0.10"\noutput_usd_per_million = "0.30"\n'
        for kind in KINDS
    )
    config.write_text("[practice]\nenabled = false\n" + rows + more_settings)
    began = time.perf_counter()
    process = pinned(
        [
            sys.executable,
            "-m",
            "waypost",
            "serve",
            "--port",
            "0",
            "--data",
            str(folder / "data"),
            "--config",
            str(config),
            "--workers",
            str(workers),
            "--format",
            "json",
        ],
        cpu,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        seconds = time.perf_counter() - began
        token_file = folder / "token"
        if "token" in ready:
            token_file.write_text(ready["token"])
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        headers = {"authorization": f"Bearer {token_file.read_text()}"}
        pids = [process.pid, *map(int, children)]
        yield Target("waypost", int(ready["address"].rpartition(":")[2]), pids, headers, start_seconds=seconds)
    finally:
        process.terminate()
        process.wait(timeout=60)
