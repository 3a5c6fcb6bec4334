"""The command line as people and scripts meet it: a process of its own, in a pipe or on a terminal."""

from __future__ import annotations

import codecs
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

START = (sys.executable, "-m", "waypost")
SECONDS_MAX = 30.0


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def data(self) -> Any:
        """What `--format json` printed."""
        told = json.loads(self.out)
        assert told["schema"] == 1
        return told["data"]


def environment(**variables: str | None) -> dict[str, str]:
    """This process's own, with some variables more or, as None, fewer."""
    merged = os.environ | {"TZ": "UTC", **variables}  # noqa: TID251 (for the child)
    return {name: value for name, value in merged.items() if value is not None}


def waypost(*arguments: object, stdin: str = "", cwd: Path | None = None, **variables: str | None) -> Done:
    """Run a command to its end, in a pipe."""
    done = subprocess.run(
        [*START, *map(str, arguments)],
        input=stdin,
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@contextmanager
def running(*arguments: object, **variables: str | None) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on: its stdout is a pipe, and when the block ends it is told to end."""
    command = [*START, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(**variables), text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self.shown = ""
        self._descriptor: int | None = descriptor
        self._unread = 0
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def wait_for(self, text: str) -> str:
        """What is shown from where the last wait ended up to and including this text."""
        deadline = time.monotonic() + SECONDS_MAX
        while (at := self.shown.find(text, self._unread)) < 0:
            assert time.monotonic() < deadline, f"{text!r} never came; there is:\n{self.shown[self._unread :]}"
            assert self._read(), f"the command ended before {text!r} came:\n{self.shown[self._unread :]}"
        start, self._unread = self._unread, at + len(text)
        return self.shown[start : self._unread]

    def type(self, text: str) -> None:
        assert self._descriptor is not None, "the terminal was closed"
        os.write(self._descriptor, text.encode())

    def close(self) -> None:
        """Close its window."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def end(self) -> int:
        """The exit code, after everything that was shown has been read."""
        while self._descriptor is not None and self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> bool:
        assert self._descriptor is not None, "the terminal was closed"
        ready, _, _ = select.select([self._descriptor], [], [], SECONDS_MAX)
        assert ready, f"nothing came for {SECONDS_MAX} s; there is:\n{self.shown}"
        try:
            data = os.read(self._descriptor, 65_536)
        except OSError:  # what Linux says when the other end of a terminal is gone
            return False
        self.shown += self._decode(data)
        return bool(data)


@contextmanager
def terminal(*arguments: object, **variables: str | None) -> Iterator[Terminal]:
    """Run a command on a terminal of 80 columns."""
    command: Sequence[str] = [*START, *map(str, arguments)]
    variables = {"TERM": "xterm", "COLUMNS": "100", **variables}
    env = environment(**variables)
    pid, descriptor = pty.fork()
    if pid == 0:
        os.execve(command[0], command, env)
    shell = Terminal(pid, descriptor)
    try:
        yield shell
    finally:
        shell.close()
        try:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
