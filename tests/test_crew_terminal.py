"""Terminals that are closed while Waypost serves."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commandline import Terminal, terminal
from serving import Serving
from waypost_process import TRUST, Waypost
from wayside import MODEL, Road, another_loop, carry, chat, endpoint_row, post, provider, provider_rows, soon
from wire_site import within

from waypost.crew_terminal import LOOK_AGAIN_SECONDS
from waypost.practice.server import start

pytestmark = pytest.mark.keeps_sockets  # the router keeps its free connections to the providers
ALPHA = endpoint_row(MODEL, "alpha")


def refuses(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def on_a_terminal(folder: Path, *arguments: str) -> Iterator[tuple[Terminal, Road]]:
    """A server that was typed into a terminal, before a provider that takes its time for the last frame."""
    log = folder / "log"
    log.touch()
    with another_loop() as loop:
        providers = carry(loop, start((provider("alpha"),), clock=lambda: 1_800_000_000))
        try:
            (folder / "waypost.toml").write_text(provider_rows(providers.base_urls) + ALPHA)
            where = ("--data", folder / "data", "--config", folder / "waypost.toml", "--port", 0, "--format", "json")
            with terminal("serve", *where, *arguments) as shell:
                shell.wait_for("}")
                said = json.loads(shell.shown[shell.shown.index("{") :])
                ready = Serving(said["address"], folder, shell.pid, said["user"], said["token"], None)
                yield shell, Road(loop, providers, Waypost(ready, said["token"], log, TRUST), folder)
        finally:
            carry(loop, providers.close())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_closing_its_terminal_lets_streams_finish_and_ends_it(tmp_path, workers: str) -> None:
    async def story(shell, lane) -> None:
        lane["alpha"].set_faults("late_usage=1")
        async with lane.client() as client:
            client.send(post(lane.token, chat()))
            await within(client.reader.readuntil(b'"finish_reason":"stop"'))
            shell.close()
            await soon(lambda: refuses(lane.port))
            rest = await within(client.reader.read())
        assert b"data: [DONE]" in rest
        await soon(lambda: not lane.process.alive)

    with on_a_terminal(tmp_path, "--workers", workers) as (shell, lane):
        lane.run(story(shell, lane))
        assert shell.end() == 0


def test_sighup_on_a_terminal_that_is_still_there_is_a_reload(tmp_path) -> None:
    with on_a_terminal(tmp_path) as (shell, lane):
        os.kill(shell.pid, signal.SIGHUP)
        shell.wait_for("settings and catalogue reloaded")
        time.sleep(LOOK_AGAIN_SECONDS + 0.2)
        assert not refuses(lane.port)
        shell.type("\x03")
        assert shell.end() == 0


def test_who_was_told_not_to_mind_its_terminal_does_not(tmp_path) -> None:
    """As `nohup` does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which children inherit
    try:
        with on_a_terminal(tmp_path) as (shell, lane):
            shell.close()
            time.sleep(LOOK_AGAIN_SECONDS + 0.2)
            assert not refuses(lane.port)
            os.kill(shell.pid, signal.SIGTERM)
            assert shell.end() == 0
    finally:
        signal.signal(signal.SIGHUP, before)
