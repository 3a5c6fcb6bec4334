"""The road on the second engine: a server whose data is in Postgres, as people start it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from outages import PostgresOutage
from waypost_process import waypost

BODY = {"model": "practice/parrot:practice-swift", "messages": [{"role": "user", "content": "Reply with exactly OK"}]}


@pytest.fixture
def secret_address(postgres, postgres_database):
    """With a password, which this Postgres does not ask for; that one must not be seen is tested all the same."""
    return postgres_database.replace("postgres@", "postgres:canary-password@")


def call(server) -> str:
    reply = server.ask("POST", "/v1/chat/completions", json=BODY)
    assert reply.status_code == 200, reply.text
    return reply.headers["x-request-id"]


def told_by(command: str, folder, **environment: str) -> str:
    environ = {**os.environ, **environment}  # noqa: TID251 (for the command)
    words = [sys.executable, "-m", "waypost", *command.split(), "--data", str(folder / "data")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, env=environ)
    assert done.returncode == 0, done
    return done.stdout + done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_calls_people_and_waybills_are_there_after_another_start(tmp_path, secret_address, workers) -> None:
    with waypost(tmp_path, "", "--database", secret_address, "--workers", workers) as first:
        waybill = call(first)
        assert first.waybill(waybill)["outcome"] == "delivered"
        assert first.running.user in told_by("users list", tmp_path), "the server on the folder says where the data is"
        told_by("users create bob", tmp_path)
    with waypost(tmp_path, environment={"WAYPOST_DATABASE": secret_address}, token=first.token) as second:
        assert second.running.token is None
        assert second.waybill(waybill)["outcome"] == "delivered"
        call(second)
    assert "bob" in told_by("users list", tmp_path, WAYPOST_DATABASE=secret_address)
    assert "canary" not in first.log.read_text()
    assert not list((tmp_path / "data").glob("*.db*")), "nothing of it is in a file"


def test_a_database_that_goes_away_and_comes_back_needs_no_restart(tmp_path, postgres, postgres_database) -> None:
    outage = PostgresOutage(postgres, postgres_database)
    with waypost(tmp_path, "", "--database", postgres_database) as server:
        call(server)
        outage.throw_out()
        call(server)
        outage.begin()
        refused = server.ask("POST", "/v1/chat/completions", json=BODY)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ledger_unavailable")
        outage.end()
        while server.ask("GET", "/ready").status_code != 200:
            pass
        waybill = call(server)
        assert server.waybill(waybill)["outcome"] == "delivered"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ready_knows_that_the_database_is_gone_before_anybody_calls(
    tmp_path, postgres, postgres_database, workers
) -> None:
    outage = PostgresOutage(postgres, postgres_database)
    with waypost(tmp_path, "", "--database", postgres_database, "--workers", workers) as server:
        call(server)
        outage.begin()
        while (ready := server.ask("GET", "/ready")).status_code == 200:
            pass
        assert "ledger_unavailable" in ready.json()["reasons"][0]
        metrics = server.ask("GET", "/metrics").text
        waiting = [line for line in metrics.splitlines() if line.startswith("waypost_unwritten_waybills")]
        assert [line.split()[-1] for line in waiting] == ["0"]
        outage.end()
        while server.ask("GET", "/ready").status_code != 200:
            pass
        call(server)


def test_the_doctor_looks_at_the_database_and_repeats_no_password(tmp_path, secret_address) -> None:
    with waypost(tmp_path, "", "--database", secret_address):
        pass
    seen = told_by("doctor --local --offline", tmp_path, WAYPOST_DATABASE=secret_address)
    seen += told_by("config show", tmp_path, WAYPOST_DATABASE=secret_address)
    assert "data.database\tok\tpostgres://postgres@/" in seen
    assert "data.version\tok" in seen
    assert "canary" not in seen
