"""Starting, reloading and stopping, as terminals, process managers and operators do it."""

from __future__ import annotations

import getpass
import os
import signal
import socket

import pytest
import trustme
import uvloop
from commandline import waypost
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from inside import inside
from wayside import MODEL, chat, endpoint_row, post, road, soon, spoken
from wire_site import within

from waypost.store.reader import Reader

pytestmark = pytest.mark.keeps_sockets  # the router keeps its free connections to the providers
ALPHA = endpoint_row(MODEL, "alpha")


def refuses(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


def test_a_signal_that_every_process_hears_lets_streams_finish_and_nobody_in(tmp_path) -> None:
    """Ctrl-C goes to all processes of a terminal, and systemd's SIGTERM to all of a service."""

    async def story(lane) -> None:
        lane["alpha"].set_faults("late_usage=1")
        async with lane.client() as client:
            client.send(post(lane.token, chat()))
            await within(client.reader.readuntil(b'"finish_reason":"stop"'))
            for pid in (lane.process.pid, *lane.process.children):
                os.kill(pid, signal.SIGINT)
            await soon(lambda: refuses(lane.port))
            rest = await within(client.reader.read())
        assert b"data: [DONE]" in rest
        await soon(lambda: not lane.process.alive)

    with road(tmp_path, ALPHA, "--workers", "2", slugs=("alpha",)) as lane:
        lane.run(story(lane))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sighup_has_every_process_look_at_its_settings(tmp_path, workers: str) -> None:
    async def story(lane) -> None:
        os.kill(lane.process.pid, signal.SIGHUP)
        await soon(lambda: lane.log.count("settings and catalogue reloaded") == int(workers))
        lane.settings((tmp_path / "waypost.toml").read_text() + "[server]\nin_flight_max = 7\n")
        await soon(lambda: lane.log.count("server.in_flight_max changed: it needs a restart") == int(workers))
        async with lane.client() as client:
            assert spoken((await client.ask(post(lane.token, chat()))).body).done

    with road(tmp_path, ALPHA, "--workers", workers, slugs=("alpha",)) as lane:
        lane.run(story(lane))


def test_a_user_without_a_name_gets_one_at_the_first_start(tmp_path, monkeypatch) -> None:
    """As with `docker run --user 1234`."""
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()

    async def story() -> list[str]:
        async with inside(tmp_path, "") as process:
            assert process.token
            return [user.name for user in Reader(tmp_path / "data").users()]

    assert uvloop.run(story()) == ["me"]


def test_tls_files_that_cannot_be_used_stop_the_start_and_nobody_is_asked_for_a_passphrase(tmp_path) -> None:
    mine, other = (trustme.CA().issue_cert("localhost") for _ in range(2))
    mine.cert_chain_pems[0].write_to_path(tmp_path / "cert")
    other.private_key_pem.write_to_path(tmp_path / "other")
    (tmp_path / "text").write_text("no PEM")
    key = load_pem_private_key(mine.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "locked").write_bytes(locked)
    for certificate, key_file in (("cert", "other"), ("cert", "locked"), ("text", "other")):
        config = tmp_path / "waypost.toml"
        config.write_text(
            f'[server]\ntls_cert_file = "{tmp_path / certificate}"\ntls_key_file = "{tmp_path / key_file}"'
        )
        done = waypost("serve", "--port", 0, "--data", tmp_path / "data", "--config", config)
        assert done.code == 3, done.err
        assert done.err.startswith(f"waypost: Cannot use {tmp_path / certificate} with {tmp_path / key_file} for TLS")
        assert "hint: " in done.err


def test_an_address_that_is_none_is_told_in_words(tmp_path) -> None:
    done = waypost("serve", "--port", 0, "--host", "no such host", "--data", tmp_path)
    assert done.code == 3
    assert "cannot listen on no such host" in done.err.lower()
    assert "unknown error" not in done.err.lower()
