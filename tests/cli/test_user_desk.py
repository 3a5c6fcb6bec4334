"""Users made and changed, and that their wishes route their calls."""

from __future__ import annotations

import pytest


def test_a_user_is_made_shown_and_changed(cli) -> None:
    made = cli(
        "users", "create", "anna", "--fullname", "Anna A", "--order", "zai-org, groq,zai-org", "--format", "json"
    )
    assert made.code == 0
    assert (made.data["order"], made.data["operator"]) == (["zai-org", "groq"], False)
    changes = ("--policy", "cheapest", "--disabled", "x", "--force", "--operator")
    changed = cli("users", "set", "anna", *changes, "--format", "json")
    assert changed.data == made.data | {"default_policy": "cheapest", "disabled": ["x"], "operator": True}
    cleared = cli("users", "set", "anna", "--order", "", "--no-operator", "--preferred-only", "--format", "json").data
    assert (cleared["order"], cleared["operator"], cleared["preferred_only"]) == ([], False, True)
    assert cleared["disabled"] == ["x"], "what is not said stays"
    shown = cli("users", "show", "anna", "--format", "human").out
    assert "full name       Anna A\n" in shown
    rows = {line.split("\t")[0]: line.split("\t") for line in cli("users", "list").lines}
    assert rows["anna"][2:6] == ["false", "0", "cheapest", ""]


def test_a_user_s_policy_is_that_of_its_calls(cli) -> None:
    assert cli("users", "create", "thrifty", "--policy", "cheapest").code == 0
    secret = cli("tokens", "create", "t", "--user", "thrifty", "--format", "quiet").out.strip()
    told = cli("explain", "practice/parrot", "--token", secret, "--format", "json").data
    assert (told["policy"], told["plan"]["order"][0]) == ("cheapest", "practice-thrifty")
    assert cli("users", "set", "thrifty", "--disabled", "practice-thrifty").code == 0
    told = cli("explain", "practice/parrot", "--token", secret, "--format", "json").data
    assert told["plan"]["order"][0] != "practice-thrifty"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create", "Anna B"], "cannot be a user's name"),
        (["create", "x", "--order", "No Slug"], "'No Slug' is no provider's slug"),
        (["set", "nobody", "--operator"], "There is no user 'nobody'"),
        (["set", "nobody"], "There is nothing to change."),
        (["show", "nobody"], "There is no user 'nobody'"),
        (["create", "y", "--policy", "dearest"], "'dearest' is not one of"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(cli, words, said) -> None:
    done = cli("users", *words)
    assert done.code == 2
    assert said in done.err


def test_a_user_can_be_made_before_the_first_start(alone, tmp_path) -> None:
    done = alone("users", "create", "first", "--operator", "--format", "human")
    assert done.code == 0
    assert done.err.startswith("User first is made.\n")
    assert (tmp_path / "waypost-data").stat().st_mode & 0o777 == 0o700
    assert alone("tokens", "create", "t", "--format", "quiet").out.startswith("wp_")
