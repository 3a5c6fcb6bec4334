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


def test_without_any_key_the_list_says_so(alone) -> None:
    done = alone("providers", "list", "--format", "human")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("No provider has a key in this environment")


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
