"""Practice providers alone: they answer, fail as told, and stop when told."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from commandline import running

from waypost.practice.faults import FAULTS

ASK = json.dumps({"model": "practice/parrot", "messages": [{"role": "user", "content": "what is 2+2?"}]}).encode()


@contextmanager
def practising(*arguments: str) -> Iterator[dict[str, Any]]:
    """Running providers by slug."""
    with running("practice", "--port", 0, "--format", "json", *arguments) as process:
        rows = json.loads(process.stdout.readline())["data"]
        yield {row["slug"]: row for row in rows}
    assert process.returncode == 0


def ask(row: dict[str, Any]) -> Any:
    request = urllib.request.Request(f"{row['base_url']}/chat/completions", ASK)
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)["choices"][0]["message"]["content"]


def test_they_answer_each_on_a_port_of_its_own() -> None:
    with practising("--speed", "0") as rows:
        assert list(rows) == ["practice-swift", "practice-thrifty", "practice-flaky", "together"]
        assert len({row["base_url"] for row in rows.values()}) == 4
        assert ask(rows["practice-swift"]) == "2 + 2 = 4"
        assert rows["practice-swift"]["speed"] == 0


def test_faults_strike_as_they_were_asked_for() -> None:
    with practising("--provider", "practice-swift", "--fault", "status_503@1/2", "--speed", "0") as rows:
        assert list(rows) == ["practice-swift"]
        assert rows["practice-swift"]["faults"] == ["status_503@1/2"]
        assert ask(rows["practice-swift"]) == "2 + 2 = 4"
        with pytest.raises(urllib.error.HTTPError) as failed:
            ask(rows["practice-swift"])
        with failed.value:
            assert failed.value.code == 503


def test_every_fault_is_listed(alone) -> None:
    assert alone("practice", "--list-faults", "--format", "quiet").lines == list(FAULTS)
    assert len(alone("practice", "--list-faults").lines) == len(FAULTS) + 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fault", "status_53"], "There is no practice fault 'status_53'."),
        (["--provider", "practice-swif"], 'did you mean "practice-swift"?'),
    ],
)
def test_what_is_none_is_a_usage_error(alone, options, said) -> None:
    done = alone("practice", *options)
    assert done.code == 2
    assert said in done.err


def test_a_port_in_use_is_one_line_and_exit_3(alone) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = alone("practice", "--port", taken.getsockname()[1])
    assert done.code == 3
    assert "address already in use" in done.err
