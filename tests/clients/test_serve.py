"""Starting as people start it: behind TLS, with several workers, again with the same data; and what cannot start."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import httpx2
import huggingface_hub
import openai
import pytest
import trustme
from environment import JAVASCRIPT
from openai import AsyncOpenAI, DefaultHttpxClient, OpenAI
from waypost_process import Waypost, waypost

from waypost.domain.requests import COUNT_BITS, WRITER_BITS, request_number

SECOND_START_SECONDS_MAX = 1.5
PARROT = "practice/parrot:practice-swift"
OK: Any = [{"role": "user", "content": "Reply with exactly OK"}]
COUNT: Any = [{"role": "user", "content": "Count to 5"}]


# TLS at the door.


class Secured:
    """A server with a certificate of an authority that only this test knows."""

    def __init__(self, server: Waypost, authority: Path, trust: ssl.SSLContext) -> None:
        self.server = server
        self.authority = authority
        self.trust = trust


@pytest.fixture(scope="module")
def secured(tmp_path_factory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(folder / "certificate.pem", append=number > 0)
    settings = f"""
        [server]
        tls_cert_file = "{folder / "certificate.pem"}"
        tls_key_file = "{folder / "key.pem"}"
        [tokens]
        prefix = "hf_wp_"
    """
    trust = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    with waypost(folder, settings, trust=trust) as server:
        yield Secured(server, folder / "authority.pem", trust)


def test_the_openai_package_talks_to_a_door_behind_tls(secured) -> None:
    server = secured.server
    assert server.address.startswith("https://127.0.0.1:")
    with OpenAI(
        base_url=server.api, api_key=server.token, http_client=DefaultHttpxClient(verify=secured.trust), max_retries=0
    ) as client:
        assert client.models.retrieve("openai/gpt-oss-120b").id == "openai/gpt-oss-120b"
        assert client.chat.completions.create(model=PARROT, messages=OK).choices[0].message.content == "OK"
        stream = client.chat.completions.create(model=PARROT, messages=COUNT, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "1, 2, 3, 4, 5"


def test_node_talks_to_a_door_behind_tls(secured, node, tmp_path) -> None:
    tmp_path.joinpath("node_modules").symlink_to(JAVASCRIPT / "node_modules")
    example = Path(__file__).parents[2] / "examples" / "chat.mjs"
    tmp_path.joinpath("chat.mjs").write_text(example.read_text())
    environ = {**secured.server.running.variables, "NODE_EXTRA_CA_CERTS": str(secured.authority)}
    command = [node, str(tmp_path / "chat.mjs")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "unknown_policy: " in done.stdout


def test_curl_that_trusts_nobody_here_is_not_answered(secured) -> None:
    command = ["curl", "--silent", "--show-error", f"{secured.server.address}/live"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 60, done.stderr
    trusting = subprocess.run([*command, "--cacert", secured.authority], capture_output=True, timeout=30, check=False)
    assert trusting.returncode == 0


def test_plain_http_at_a_tls_door_is_closed_and_harms_nobody(secured) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(secured.server.address.replace("https:", "http:") + "/live")
    assert secured.server.ask("GET", "/live").status_code == 200


def test_the_hubs_client_tells_a_bad_token_from_a_missing_model(secured) -> None:
    """It does so only where the address says https, by the words of the refusal."""
    server = secured.server
    huggingface_hub.set_client_factory(lambda: httpx2.Client(verify=secured.trust))
    try:
        with pytest.raises(huggingface_hub.errors.HfHubHTTPError) as bad:
            huggingface_hub.HfApi(server.address, token=server.token[:-1]).model_info("openai/gpt-oss-120b")
        with pytest.raises(huggingface_hub.errors.RepositoryNotFoundError):
            huggingface_hub.HfApi(server.address, token=server.token).model_info("nobody/nothing")
    finally:
        huggingface_hub.close_session()
        huggingface_hub.set_client_factory(httpx2.Client)
    assert not isinstance(bad.value, huggingface_hub.errors.RepositoryNotFoundError)
    assert "malformed" in str(bad.value)


# Several workers.


@pytest.fixture(scope="module")
def crew(tmp_path_factory) -> Iterator[Waypost]:
    with waypost(tmp_path_factory.mktemp("crew"), "", "--workers", "2") as server:
        yield server


def worker(request_id: str) -> int:
    """Who has numbered a request."""
    number = request_number(request_id)
    assert number is not None
    return number >> COUNT_BITS & (1 << WRITER_BITS) - 1


def until_both_answer(ask: Any) -> dict[int, Any]:
    """Ask on connections of their own until each worker has answered: worker → its answer."""
    answers: dict[int, httpx.Response] = {}
    give_up = time.monotonic() + 10
    while len(answers) < 2:
        assert time.monotonic() < give_up, f"only {sorted(answers)} answered"
        reply = ask()
        answers[worker(reply.headers["x-request-id"])] = reply
    return answers


def test_two_workers_hold_conversations_and_any_of_them_finds_the_waybill(crew, run) -> None:
    async def talk(number: int) -> str:
        async with AsyncOpenAI(base_url=crew.api, api_key=crew.token, max_retries=0) as client:
            ask: Any = {"model": PARROT, "messages": [{"role": "user", "content": f"echo: {number}"}]}
            if number % 2:
                reply = await client.chat.completions.with_raw_response.create(**ask)
                assert reply.parse().choices[0].message.content == str(number)
            else:
                reply = await client.chat.completions.with_raw_response.create(**ask, stream=True)
                words = [chunk.choices[0].delta.content or "" async for chunk in reply.parse()]
                assert "".join(words) == str(number)
            return reply.headers["x-request-id"]

    async def together() -> list[str]:
        return await asyncio.gather(*(talk(number) for number in range(12)))

    ids = run(together())
    assert len(set(ids)) == 12
    for one in ids[:2]:
        found = until_both_answer(lambda one=one: crew.ask("GET", f"/v1/requests/{one}"))
        assert {reply.json().get("outcome") for reply in found.values()} == {"delivered"}


def test_a_revoked_token_is_refused_by_every_worker_within_a_second(crew) -> None:
    made = crew.ask("POST", "/api/settings/tokens", json={"name": "short-lived"}).json()
    body = {"model": PARROT, "messages": OK}

    def ask() -> httpx.Response:
        return crew.ask("POST", "/v1/chat/completions", made["secret"], json=body)

    assert {reply.status_code for reply in until_both_answer(ask).values()} == {200}
    assert crew.ask("DELETE", f"/api/settings/tokens/{made['id']}").is_success
    time.sleep(1)
    refused = until_both_answer(ask).values()
    assert {(reply.status_code, reply.json()["error"]["code"]) for reply in refused} == {(401, "token_revoked")}


def test_a_limit_holds_across_workers(crew, run) -> None:
    secret = crew.new_token(limits={"requests_per_minute": 5})

    async def one() -> str:
        async with AsyncOpenAI(base_url=crew.api, api_key=secret, max_retries=0) as client:
            try:
                await client.chat.completions.create(model=PARROT, messages=OK)
            except openai.RateLimitError as refusal:
                return str(refusal.code)
            return "let in"

    async def together() -> list[str]:
        return await asyncio.gather(*(one() for _ in range(20)))

    began = datetime.now(UTC).minute
    ends = run(together())
    assert set(ends) == {"let in", "rate_limited"}
    # A new minute may begin meanwhile.
    assert ends.count("let in") in ({5} if datetime.now(UTC).minute == began else {5, 10})


def test_preferences_set_at_one_worker_hold_at_the_other(crew) -> None:
    assert crew.ask("PUT", "/api/settings/inference-providers", json={"default_policy": "cheapest"}).is_success
    time.sleep(1)
    body = {"model": "practice/parrot", "messages": OK}
    replies = until_both_answer(lambda: crew.ask("POST", "/v1/explain", json=body))
    assert {reply.json()["policy"] for reply in replies.values()} == {"cheapest"}


# A second start.


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def test_a_second_start_is_quick_and_has_the_same_data_and_shows_no_token(tmp_path) -> None:
    with waypost(tmp_path) as first:
        body = {"model": PARROT, "messages": OK}
        waybill = first.ask("POST", "/v1/chat/completions", json=body).headers["x-request-id"]
        token = first.token
        assert first.running.user
    with waypost(tmp_path, token=token) as second:
        # Its own processor time, for other tests may be in its way; test_fresh_clone looks at the clock.
        assert processor_seconds(second.running.pid) < SECOND_START_SECONDS_MAX
        assert second.running.token is None
        assert second.running.user is None
        assert second.waybill(waybill)["outcome"] == "delivered"
        assert second.ask("POST", "/v1/chat/completions", json=body).status_code == 200
        second.running.process.send_signal(signal.SIGINT)  # Ctrl-C ends as well as SIGTERM does
        assert second.running.process.wait(20) == 0
    assert token not in first.log.read_text()


# What cannot start says why.


class Said(NamedTuple):
    """What a start that failed has said: what is wrong, and one line that says how to mend it."""

    wrong: list[str]
    hint: str


def refused(tmp_path: Path, *arguments: str, settings: str | bytes = "") -> Said:
    config = tmp_path / "waypost.toml"
    config.write_bytes(settings if isinstance(settings, bytes) else settings.encode())
    command = [sys.executable, "-m", "waypost", "serve", "--format", "json", "--config", str(config), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path)
    assert done.returncode == 3, done
    assert done.stdout == ""
    *wrong, hint = done.stderr.splitlines()
    assert wrong[0].startswith("waypost: ")
    assert hint.startswith("hint: ")
    assert "Traceback" not in done.stderr
    return Said(wrong, hint)


def test_a_port_in_use(tmp_path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(tmp_path, "--port", str(port), "--data", str(tmp_path / "data"))
    assert said.wrong == [f"waypost: Cannot listen on 127.0.0.1:{port}: address already in use."]
    assert "--port" in said.hint


def test_a_folder_that_cannot_be_used(tmp_path) -> None:
    # Even root cannot make a folder in a file.
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "data"
    said = refused(tmp_path, "--port", "0", "--data", str(folder))
    assert len(said.wrong) == 1
    assert str(folder) in said.wrong[0]
    assert "--data" in said.hint


def test_a_settings_file_that_cannot_be_read(tmp_path) -> None:
    said = refused(tmp_path, "--port", "0", "--data", str(tmp_path / "data"), settings="[server\n")
    assert len(said.wrong) == 1
    assert f"{tmp_path / 'waypost.toml'}: line 1" in said.wrong[0]


@pytest.mark.parametrize(
    ("value", "what"), [(None, "is not set"), ("", "is not set"), ("short", "is shorter than 16 bytes")]
)
def test_payments_that_anybody_could_tell_of(tmp_path, monkeypatch, value, what) -> None:
    if value is None:
        monkeypatch.delenv("TOP_UP_SECRET", raising=False)
    else:
        monkeypatch.setenv("TOP_UP_SECRET", value)
    settings = '[credits]\nwebhook_secret_env = "TOP_UP_SECRET"\n'
    said = refused(tmp_path, "--port", "0", "--data", str(tmp_path / "data"), settings=settings)
    assert said.wrong == [f"waypost: credits.webhook_secret_env names TOP_UP_SECRET, which {what}."]
    assert "openssl rand" in said.hint


def test_every_fault_of_a_settings_file_is_told_at_once_and_none_repeats_a_secret(tmp_path) -> None:
    settings = """
        [server]
        prot = 8080
        tls_cert_file = "/nowhere/cert.pem"
        [providers.alpha]
        base_url = "http://127.0.0.1:1/v1"
        key = "sk-secret-secret"
        [models."acme/one".beta]
    """
    said = refused(tmp_path, "--port", "0", "--data", str(tmp_path / "data"), settings=settings)
    told = ["server.prot is no setting", "tls_key_file", "names no file", "key_env", "names no provider"]
    assert [words for words in told if words not in "".join(said.wrong)] == []
    assert len(said.wrong) == len(told)
    assert {str(tmp_path / "waypost.toml") in line for line in said.wrong} == {True}
    assert "sk-secret-secret" not in "".join(said.wrong) + said.hint
    assert not (tmp_path / "data").exists()


def test_data_of_a_newer_waypost(tmp_path) -> None:
    with waypost(tmp_path):
        pass
    database = next((tmp_path / "data").glob("*.db*"))
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    said = refused(tmp_path, "--port", "0", "--data", str(tmp_path / "data"))
    assert len(said.wrong) == 1
    assert "version 99, written by a newer Waypost" in said.wrong[0]


def test_a_second_server_on_the_same_data(tmp_path) -> None:
    with waypost(tmp_path) as first:
        said = refused(tmp_path, "--port", "0", "--data", str(tmp_path / "data"))
        assert len(said.wrong) == 1
        assert f"in use by another Waypost (pid {first.running.pid})" in said.wrong[0]
        assert str(tmp_path / "data") in said.wrong[0]
        assert first.ask("GET", "/live").status_code == 200
