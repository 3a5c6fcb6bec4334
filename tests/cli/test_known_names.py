"""Names that a command is told: a slip is refused with what was meant, with a server and without."""

from __future__ import annotations

import pytest
from serving import serving

SLIPS = [
    (["--model", "nope/none"], "--model: there is no model 'nope/none'."),
    (["--model", "practice/parot"], "--model: there is no model 'practice/parot'; did you mean \"practice/parrot\""),
    (["--model", "practice/parrot:cheapest"], "names more than a model"),
    (["--provider", "nope"], "--provider: there is no provider 'nope'"),
    (["--provider", "practice-swfit"], 'did you mean "practice-swift"?'),
]


@pytest.mark.parametrize(("options", "said"), SLIPS)
def test_a_token_for_what_nobody_has_is_refused(cli, options, said) -> None:
    done = cli("tokens", "create", "slip", *options)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "hint: " in done.err
    assert cli("tokens", "show", "slip").code == 2, "none was made"


@pytest.mark.parametrize(("options", "said"), SLIPS)
def test_without_a_server_it_is_the_same(alone, options, said) -> None:
    assert alone("users", "create", "me", "--operator").code == 0
    done = alone("tokens", "create", "slip", *options)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_names_that_are_known_are_taken_and_others_by_force(alone) -> None:
    known = ("--order", "practice-swift,groq", "--disabled", "together")
    assert alone("users", "create", "me", "--operator", *known).code == 0
    names = ("--model", "practice/sage", "--provider", "groq", "--provider", "practice-thrifty")
    assert alone("tokens", "create", "known", *names).code == 0
    made = alone(
        "tokens", "create", "later", "--model", "acme/two", "--provider", "acme", "--force", "--format", "json"
    )
    assert (made.data["models"], made.data["providers"]) == (["acme/two"], ["acme"])


@pytest.mark.parametrize("words", [["create", "new"], ["set", "me"]])
@pytest.mark.parametrize("option", ["--order", "--disabled"])
def test_a_user_s_providers_are_known_ones(alone, words, option) -> None:
    alone("users", "create", "me")
    done = alone("users", *words, option, "groq,nope")
    assert done.code == 2
    assert f"{option}: there is no provider 'nope'" in done.err
    assert alone("users", *words, option, "groq,nope", "--force").code == 0


def test_what_was_stored_before_may_be_gone_since(alone) -> None:
    assert alone("users", "create", "me", "--order", "gone", "--force").code == 0
    assert alone("users", "set", "me", "--disabled", "groq").code == 0


def test_what_only_the_running_server_knows_is_known(alone, tmp_path) -> None:
    config = tmp_path / "elsewhere.toml"
    config.write_text('[providers.workshop]\nbase_url = "http://10.0.0.7/v1"\n[models."acme/one".workshop]\n')
    with serving(tmp_path / "data", "--config", str(config)) as server:
        names = ("--model", "acme/one", "--provider", "workshop")
        assert alone("tokens", "create", "ours", *names, "--data", server.data).code == 0
        assert alone("tokens", "create", "slip", "--model", "acme/two", "--data", server.data).code == 2
