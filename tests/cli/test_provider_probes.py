"""Providers asked: reached or not, key taken or refused, and local servers found."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from played import played, played_at, reply

LIST = {"object": "list", "data": [{"id": "llama", "owned_by": "vllm"}]}


def settings(tmp_path: Path, url: str) -> Path:
    path = tmp_path / "waypost.toml"
    path.write_text(f'[providers.workshop]\nbase_url = "{url}/v1"\nkey_env = "WORKSHOP_KEY"\n')
    return path


@pytest.fixture(autouse=True)
def key(monkeypatch) -> str:
    monkeypatch.setenv("WORKSHOP_KEY", "sk-secret")
    return "sk-secret"


def test_a_provider_that_takes_the_key_is_well(alone, tmp_path, key) -> None:
    with played_at(v1_models=LIST) as server:
        done = alone("providers", "test", "workshop", "--config", settings(tmp_path, server.url), "--format", "json")
    assert done.code == 0
    assert (done.data["well"], done.data["models"], done.data["exit"]) == (True, 1, 0)
    assert f"authorization: Bearer {key}".encode() in server.asked[0]
    assert key not in done.out


@pytest.mark.parametrize(
    ("answer", "exit_code", "said"),
    [
        (reply({}, "401 Unauthorized"), 7, "the key is missing or refused"),
        (reply({}, "500 Oh No"), 7, "it answered 500"),
        (reply(b"<html>"), 7, "the answer is no JSON"),
        (reply({"data": 3}), 7, "it is no list of models"),
        (b"", 4, "could not be read"),
    ],
)
def test_a_provider_that_is_not_well_says_how(alone, tmp_path, answer, exit_code, said) -> None:
    with played(answer) as server:
        done = alone("providers", "test", "workshop", "--config", settings(tmp_path, server.url), "--format", "human")
    assert done.code == exit_code
    assert said in done.out
    assert "sk-secret" not in done.out + done.err


def test_a_provider_that_cannot_be_reached_exits_with_4(alone, tmp_path) -> None:
    done = alone("providers", "test", "workshop", "--config", settings(tmp_path, "http://127.0.0.1:1"))
    assert done.code == 4


def test_a_provider_without_a_key_is_not_asked(alone, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("WORKSHOP_KEY")
    with played(reply({})) as server:
        done = alone("providers", "test", "workshop", "--config", settings(tmp_path, server.url))
    assert done.code == 2
    assert "WORKSHOP_KEY is not set" in done.err
    assert not server.asked


def test_a_known_provider_without_a_list_counts_as_reached_when_it_answers(alone, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("COHERE_KEY", "x")
    with played(reply({}, "404 Not Found")) as server:
        path = tmp_path / "waypost.toml"
        path.write_text(f'[providers.cohere]\nbase_url = "{server.url}/v1"\nkey_env = "COHERE_KEY"\n')
        done = alone("providers", "test", "cohere", "--config", path, "--format", "json")
    assert done.code == 0
    assert "no list of models that would tell" in done.data["evidence"]


def test_local_servers_are_found_and_their_settings_printed(alone) -> None:
    with played_at(v1_models=LIST) as server:
        port = urlsplit(server.url).port
        human = alone("providers", "discover", "--port", port, "--port", 1, "--format", "human")
        quiet = alone("providers", "discover", "--port", port, "--format", "quiet")
    assert human.code == 0
    assert f'[providers.vllm]\nbase_url = "http://127.0.0.1:{port}/v1"' in human.out
    assert f"port {port}: vLLM, 1 models" in human.err
    assert "port 1: " in human.err
    assert quiet.out == "vllm\n"


def test_where_none_is_found_it_says_so(alone) -> None:
    done = alone("providers", "discover", "--port", 1, "--format", "human")
    assert (done.code, done.out) == (1, "")
    assert "No model server answers on these ports." in done.err


def test_our_own_server_is_not_taken_for_a_model_server(cli, served) -> None:
    port = urlsplit(served.address).port
    done = cli("providers", "discover", "--port", port, "--format", "human")
    assert done.code == 1
    assert f"port {port}: our own port" in done.err
