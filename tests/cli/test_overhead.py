"""What a call costs more through the router: measured on a real one, which is left as it was."""

from __future__ import annotations

import json

import pytest
from played import played, reply

from waypost.cli.overhead import lane_of
from waypost.cli.overhead_load import Target, in_turn, percentile, saturate


def test_the_installation_is_measured_and_left_as_it_was(cli, served) -> None:
    options = ("bench", "--calls", 20, "--seconds", 0.2, "--connections", 4)
    told = cli(*options, "--format", "json").data
    whole, first = told["latency"]
    assert whole["added_ms_p50"] == pytest.approx(whole["through_ms_p50"] - whole["direct_ms_p50"], abs=0.002)
    assert 0 < first["direct_ms_p50"] < 1000
    assert told["calls_per_s"]["direct"] > told["calls_per_s"]["through"] * 0.5 > 0
    assert told["spent"]["calls"] >= 40
    assert told["spent"]["real_nano_usd"] == 0
    assert told["spent"]["tokens"] > told["spent"]["calls"]
    newest = cli("requests", "list", "-n", 1, "--format", "json").data[0]
    assert newest["attempts"][0]["ms"] < 1000
    again = cli("chat", "-m", "Qwen/Qwen3.5-9B:together", "hi", "--format", "json").data
    assert again["first_word_ms"] > 50, "the provider takes its time again"
    human = cli(*options, "--format", "human")
    assert "ADDED P50" in human.lines[0]
    assert "Spent: nothing real." in human.out
    assert "Nobody else runs that model" in human.out


def test_what_the_calls_teach_sends_no_other_call_elsewhere(cli) -> None:
    def figures() -> dict[str, list[tuple[str, float]]]:
        entries = cli("models", "list", "--format", "json").data
        return {
            entry["id"]: [(row["provider"], row["first_token_latency_ms"]) for row in entry["providers"]]
            for entry in entries
        }

    before = figures()
    told = cli("bench", "--calls", 20, "--seconds", 0.1, "--connections", 1, "--format", "json").data
    after = figures()
    changed = {model for model in before if before[model] != after[model]}
    assert changed <= {told["lane"]["model"]}
    assert len(before[told["lane"]["model"]]) == 1
    assert told["lane"]["alone"]


def row(provider: str, *, free: bool = True) -> dict[str, object]:
    return {"provider": provider, "status": "live", "callable": free}


def test_the_model_is_one_that_nobody_else_runs_where_there_is_one() -> None:
    parrot = {"id": "practice/parrot", "providers": [row("practice-swift"), row("practice-flaky")]}
    lonely = {"id": "Qwen/Qwen3.5-9B", "providers": [row("together")]}
    shared = {"id": "Qwen/Qwen3.5-9B", "providers": [row("together"), row("novita")]}
    ours = {"practice-swift", "together"}
    assert lane_of([parrot, lonely], ours) == ("Qwen/Qwen3.5-9B", "together", True)
    assert lane_of([parrot, shared], ours) == ("practice/parrot", "practice-swift", False)
    assert lane_of([lonely], {"practice-swift"}) is None, "the real one of that name"
    assert lane_of([{"id": "Qwen/Qwen3.5-9B", "providers": [row("together", free=False)]}], ours) is None
    assert lane_of([{"id": "acme/one", "providers": [row("together")]}], ours) is None


def test_without_a_practice_provider_there_is_nothing_to_measure(alone) -> None:
    done = alone("bench")
    assert done.code == 1
    assert "[practice] enabled = true" in done.err


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 51.0, 100.0, 100.0]


def target(url: str) -> Target:
    return Target("127.0.0.1", int(url.rpartition(":")[2]), "/v1/x", "m", "p", "secret")


def test_a_request_is_whole_and_shows_the_token() -> None:
    head, _, body = target("http://x:80").request(stream=True).partition(b"\r\n\r\n")
    assert b"authorization: Bearer secret" in head
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body)["stream"] is True


def test_a_server_that_hangs_up_is_an_error_and_a_refusal_is_counted(run) -> None:
    with played(b"") as server, pytest.raises(ConnectionResetError):
        run(in_turn(target(server.url), target(server.url), 1, stream=False))
    with played(reply({}, "500 No", "connection: keep-alive")) as server:
        with pytest.raises(ConnectionResetError):
            run(saturate(target(server.url), 1, 5.0))
        assert server.asked
