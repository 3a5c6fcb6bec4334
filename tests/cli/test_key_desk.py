"""`waypost keys`: the key comes from stdin or the environment, and is never seen again."""

from __future__ import annotations

import json

import pytest
from commandline import waypost

CANARY = "sk-canary-0123456789"
SETTINGS = """
[providers.alpha]
base_url = "https://alpha.example/v1"
key_env = "ALPHA_KEY"
[providers.local]
base_url = "http://127.0.0.1:9/v1"
"""


@pytest.fixture
def place(tmp_path):
    """Where `keys` works, with a user in it."""
    config = tmp_path / "waypost.toml"
    config.write_text(SETTINGS)
    data = tmp_path / "data"
    assert waypost("users", "create", "ann", "--operator", "--data", data, "--config", config).code == 0

    def keys(*arguments, **more):
        return waypost("keys", *arguments, "--data", data, "--config", config, **more)

    return keys


def test_a_key_is_kept_listed_without_it_rotated_and_removed(place, tmp_path) -> None:
    made = place("set", "alpha", "--label", "lab", "--format", "json", stdin=CANARY + "\n")
    assert made.code == 0
    row = json.loads(made.out)["data"]
    assert (row["provider"], row["owner"], row["name"], row["label"]) == ("alpha", "user", "ann", "lab")
    assert (row["last4"], row["usable"]) == ("6789", True)
    listed = place("list", "--format", "json")
    assert json.loads(listed.out)["data"] == [row]
    rotated = place("rotate", "--format", "json")
    assert json.loads(rotated.out)["data"] == {"keys": 1, "replies": 0, "unreadable": 0}
    removed = place("remove", "alpha", "--format", "json")
    assert json.loads(removed.out)["data"]["removed"] is True
    assert json.loads(place("list", "--format", "json").out)["data"] == []
    assert place("remove", "alpha").code == 2
    told = [made, listed, rotated, removed]
    assert all(CANARY not in one.out + one.err for one in told)
    assert all(CANARY.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_key_may_come_from_the_environment(place) -> None:
    assert place("set", "alpha", "--key-env", "MY_KEY", MY_KEY=CANARY).code == 0
    missing = place("set", "alpha", "--key-env", "NOT_SET")
    assert (missing.code, "NOT_SET is not set" in missing.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (("set", "alpah"), CANARY, "alpha"),
        (("set", "local"), CANARY, "takes no keys"),
        (("set", "alpha"), "short", "no key"),
        (("set", "alpha"), f"Bearer {CANARY}", "Bearer"),
        (("set", "alpha", "--user", "bob"), CANARY, "no user 'bob'"),
        (("set", "alpha", "--org", "acme"), CANARY, "no organisation 'acme'"),
        (("set", "alpha", "--org", "acme", "--user", "ann"), CANARY, "two owners"),
    ],
)
def test_slips_are_told_and_no_key_is_repeated(place, arguments, stdin, said) -> None:
    done = place(*arguments, stdin=stdin)
    assert done.code == 2
    assert said in done.err
    assert CANARY not in done.out + done.err
