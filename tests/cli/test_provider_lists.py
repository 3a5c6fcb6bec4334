"""Providers as the settings and the environment make them; never a key."""

from __future__ import annotations

import pytest

SETTINGS = """
[providers.workshop]
base_url = "http://10.0.0.7:8000/v1"
[providers.paid]
base_url = "https://paid.example.com/v1"
key_env = "PAID_KEY"
[providers.together]
disabled = true
[models."acme/one".workshop]
context_length = 4096
"""


@pytest.fixture
def config(tmp_path, monkeypatch) -> list[object]:
    path = tmp_path / "waypost.toml"
    path.write_text(SETTINGS)
    monkeypatch.setenv("GROQ_API_KEY", "gsk_secret")
    return ["--config", path]


def test_those_with_a_key_or_settings_are_listed(alone, config) -> None:
    rows = {row["slug"]: row for row in alone("providers", "list", *config, "--format", "json").data}
    assert {slug: (row["state"], row["key"], row["models"]) for slug, row in rows.items()} == {
        "workshop": ("usable", "none needed", 1),
        "paid": ("no key", "PAID_KEY is not set", 0),
        "together": ("off", "TOGETHER_API_KEY is not set", 0),
        "groq": ("usable", "from GROQ_API_KEY", 0),
    }


def test_all_that_are_known_are_listed_when_asked(alone, config) -> None:
    everybody = alone("providers", "list", "--all", *config, "--format", "quiet").lines
    assert {"novita", "huggingface", "workshop", "cerebras"} <= set(everybody)


def test_without_any_key_those_are_listed_that_a_server_would_have(alone, monkeypatch) -> None:
    rows = alone("providers", "list", "--format", "json").data
    assert [(row["slug"], row["state"], row["practice"], row["base_url"]) for row in rows] == [
        ("together", "usable", True, None),
        ("practice-swift", "usable", True, None),
        ("practice-thrifty", "usable", True, None),
        ("practice-flaky", "usable", True, None),
    ]
    human = alone("providers", "list", "--format", "human")
    assert "none: practice" in human.lines[1]
    assert (
        human.err == "hint: a key in the environment, such as GROQ_API_KEY, switches a real one on; --all lists them\n"
    )
    monkeypatch.setenv("GROQ_API_KEY", "gsk_secret")
    human = alone("providers", "list", "--format", "human")
    assert human.lines[1].split()[:2] == ["groq", "usable"]
    assert human.err.endswith("waypost models sync groq\n")


def test_with_a_server_practice_providers_have_an_address(cli, served) -> None:
    rows = {row["slug"]: row for row in cli("providers", "list", "--format", "json").data}
    assert rows["practice-swift"]["base_url"].startswith("http://127.0.0.1:")
    assert cli("providers", "show", "practice-swift", "--format", "quiet").out == "practice-swift\n"


def test_where_practice_is_off_and_no_key_is_set_the_list_says_so(alone, tmp_path) -> None:
    (tmp_path / "waypost.toml").write_text("[practice]\nenabled = false\n")
    done = alone("providers", "list", "--format", "human")
    assert (done.code, done.out) == (0, "")
    assert done.err == "No provider can be called; --all lists those that are known.\n"


def test_one_provider_is_shown_without_its_key(alone, config) -> None:
    for style in ("human", "json", "tsv"):
        done = alone("providers", "show", "groq", *config, "--format", style)
        assert done.code == 0
        assert "https://api.groq.com/openai/v1" in done.out
        assert "gsk_secret" not in done.out + done.err


@pytest.mark.parametrize(
    ("slug", "said"), [("grok", 'did you mean "groq"?'), ("practice-swift", "runs inside of the server")]
)
def test_a_provider_that_is_none_is_a_usage_error(alone, config, slug, said) -> None:
    done = alone("providers", "show", slug, *config)
    assert done.code == 2
    assert said in done.err
