"""Tokens made, listed and revoked, with a server and without one."""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

import pytest
from commandline import waypost
from serving import serving

REVOKED_SECONDS_MAX = 1.0


class Caller:
    """A kept connection to whichever worker took it."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._line = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        self.worker = ""

    def status(self, token: str) -> int:
        self._line.request("GET", "/api/whoami-v2", headers={"authorization": f"Bearer {token}"})
        reply = self._line.getresponse()
        reply.read()
        return reply.status

    def find_worker(self) -> str:
        """Which worker answers on this connection, from its own metrics."""
        self._line.request("GET", "/metrics")
        text = self._line.getresponse().read().decode()
        return text.partition('worker="')[2].partition('"')[0]

    def close(self) -> None:
        self._line.close()


def test_a_revoked_token_is_refused_within_a_second_by_every_worker(tmp_path) -> None:
    with serving(tmp_path / "data", "--workers", "2") as server:
        made = waypost("tokens", "create", "ci", "--kind", "read", "--format", "quiet", "--data", server.data)
        secret = made.out.strip()
        callers: dict[str, Caller] = {}
        try:
            while len(callers) < 2:
                caller = Caller(server.address)
                worker = caller.find_worker()
                if worker in callers:
                    caller.close()
                else:
                    callers[worker] = caller
            assert [caller.status(secret) for caller in callers.values()] == [200, 200]
            done = waypost("tokens", "revoke", "ci", "--data", server.data)
            assert done.code == 0
            began = time.monotonic()
            statuses = [caller.status(secret) for caller in callers.values()]
            while statuses != [401, 401]:
                assert time.monotonic() - began < REVOKED_SECONDS_MAX
                statuses = [caller.status(secret) for caller in callers.values()]
            assert [caller.status(str(server.token)) for caller in callers.values()] == [200, 200]
        finally:
            for caller in callers.values():
                caller.close()


def test_a_new_token_s_secret_is_printed_once_on_stdout(cli, served) -> None:
    quiet = cli("tokens", "create", "quiet-one", "--format", "quiet")
    assert quiet.code == 0
    assert quiet.err == ""
    secret = quiet.out.strip()
    assert secret.startswith("wp_")
    assert cli("chat", "-m", "practice/parrot", "hi", "--token", secret).code == 0
    human = cli("tokens", "create", "human-one", "--format", "human")
    assert human.out.strip().startswith("wp_")
    assert human.out.strip() not in human.err
    assert "It is shown this once" in human.err
    assert cli("tokens", "create", "json-one", "--format", "json").data["secret"].startswith("wp_")
    assert cli("tokens", "create", "tsv-one").lines[0].startswith("secret\twp_")
    for words in (
        ["tokens", "list", "--all"],
        ["tokens", "show", "quiet-one"],
        ["config", "show", "--all"],
        ["doctor"],
    ):
        assert secret not in str(cli(*words))


def test_what_a_token_may_do_is_as_it_was_asked_for(cli) -> None:
    made = cli(
        *("tokens", "create", "narrow", "--expires", "90d", "--model", "acme/one", "--provider", "groq", "--force"),
        *("--requests-per-minute", 60, "--streams-at-once", 2, "--permission", "user.settings", "--format", "json"),
    ).data
    assert made["kind"] == "fineGrained"
    assert made["permissions"] == ["user.settings"]
    assert (made["models"], made["providers"]) == (["acme/one"], ["groq"])
    assert made["limits"] == {"requests_per_minute": 60, "streams_at_once": 2}
    assert made["expires_at"] > made["created_at"]
    shown = cli("tokens", "show", "narrow", "--format", "human").out
    assert "60 requests per minute, 2 streams at once" in shown
    least = cli("tokens", "create", "least", "--format", "json").data
    assert least["permissions"] == ["inference.serverless.write"]
    assert cli("tokens", "create", "most", "--kind", "write", "--format", "json").data["permissions"] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--expires", "soon"], "is no time"),
        (["--expires", "2020-01-01"], "is over already"),
        (["--kind", "write", "--permission", "user.settings"], "means nothing to a token of the kind write"),
        (["--permission", "everything"], "'everything' is not one of"),
        (["--user", "nobody"], "There is no user 'nobody'"),
        (["--requests-per-minute", "0"], "0 is not in the range"),
    ],
)
def test_a_wish_that_makes_no_sense_is_a_usage_error(cli, options, said) -> None:
    done = cli("tokens", "create", "wrong", *options)
    assert done.code == 2
    assert said in done.err
    assert not done.out


def test_names_are_unique_among_the_living(cli) -> None:
    first = cli("tokens", "create", "twin", "--format", "json").data
    assert cli("tokens", "create", "twin").code == 2
    revoked = cli("tokens", "revoke", "twin", "--format", "json").data
    assert (revoked["id"], revoked["state"]) == (first["id"], "revoked")
    second = cli("tokens", "create", "twin", "--format", "json").data
    assert cli("tokens", "show", "twin", "--format", "json").data["id"] == second["id"]
    assert cli("tokens", "show", first["id"], "--format", "json").data["state"] == "revoked"
    assert cli("tokens", "revoke", first["id"], "--format", "human").out.endswith("is revoked.\n"), "again is the same"
    names = [row["name"] for row in cli("tokens", "list", "--format", "json").data]
    assert names.count("twin") == 1
    assert [row["name"] for row in cli("tokens", "list", "--all", "--format", "json").data].count("twin") == 2


def test_tokens_work_on_the_folder_where_no_server_runs(alone, tmp_path) -> None:
    folder = ["--data", tmp_path / "data"]
    assert alone("users", "create", "me", "--operator", *folder).code == 0
    secrets = [alone("tokens", "create", name, *folder, "--format", "quiet").out.strip() for name in ("day", "night")]
    assert [row["name"] for row in alone("tokens", "list", *folder, "--format", "json").data] == ["day", "night"]
    assert alone("tokens", "revoke", "day", *folder).code == 0
    with serving(tmp_path / "data") as server:
        assert server.token is None, "there is a user already"
        caller = Caller(server.address)
        assert [caller.status(secret) for secret in secrets] == [401, 200]
        caller.close()


def test_without_a_data_folder_none_is_made(alone, tmp_path) -> None:
    done = alone("tokens", "list")
    assert done.code == 3
    assert f"There is no data folder {tmp_path / 'waypost-data'}" in done.err
    assert not list(tmp_path.iterdir())
