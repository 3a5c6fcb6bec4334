"""`[providers]` laid over what is known, and the keys of the environment."""

from __future__ import annotations

import pytest

from waypost.domain.tables import Fault, Place
from waypost.providers.configured import RESERVED_SLUGS, Configured, configure, is_local_address


def read(tables, environment=None) -> tuple[Configured, list[str]]:
    faults: list[Fault] = []
    configured = configure(tables, environment or {}, Place("f", "providers", faults))
    return configured, [fault.line.removeprefix("f: providers.") for fault in faults]


def test_a_key_in_the_environment_switches_a_known_provider_on() -> None:
    off, _ = read({})
    on, _ = read({}, {"TOGETHER_API_KEY": " key \n"})
    assert not off.providers["together"].usable
    assert off.providers["together"].key_env == "TOGETHER_API_KEY"
    assert on.providers["together"].key == "key"
    assert on.providers["together"].usable
    assert not on.providers["groq"].usable


def test_a_second_name_of_a_key_is_taken_where_the_first_is_not_set() -> None:
    second, _ = read({}, {"CO_API_KEY": "b"})
    both, _ = read({}, {"CO_API_KEY": "b", "COHERE_API_KEY": "a"})
    assert (second.providers["cohere"].key, second.providers["cohere"].key_env) == ("b", "CO_API_KEY")
    assert (both.providers["cohere"].key, both.providers["cohere"].key_env) == ("a", "COHERE_API_KEY")


def test_a_key_that_no_header_can_hold_is_not_used_and_noted_without_being_told() -> None:
    configured, faults = read({}, {"GROQ_API_KEY": "gsk secret"})
    assert configured.providers["groq"].key is None
    assert faults == []
    assert len(configured.notes) == 1
    assert "secret" not in configured.notes[0]


def test_a_known_provider_s_own_key_is_not_sent_to_another_address() -> None:
    tables = {"openai": {"base_url": "http://127.0.0.1:9/v1"}}
    configured, _ = read(tables, {"OPENAI_API_KEY": "sk-1"})
    assert configured.providers["openai"].key is None
    assert configured.providers["openai"].keyless
    tables["openai"]["key_env"] = "OPENAI_API_KEY"
    named, _ = read(tables, {"OPENAI_API_KEY": "sk-1"})
    assert named.providers["openai"].key == "sk-1"


def test_what_is_set_about_a_known_provider_leaves_the_rest_as_known() -> None:
    configured, faults = read({"zai-org": {"headers": {"x-team": "blue"}, "disabled": True}}, {"ZAI_API_KEY": "k"})
    zai = configured.providers["zai-org"]
    assert faults == []
    assert (zai.disabled, zai.key, zai.base_url) == (True, "k", "https://api.z.ai/api/paas/v4")
    assert dict(zai.headers)["x-source-channel"] == "hugging_face"
    assert dict(zai.headers)["x-team"] == "blue"


def test_a_provider_of_the_settings_comes_before_the_known_ones() -> None:
    configured, _ = read({"beta": {"base_url": "http://b/v1"}, "groq": {}, "alpha": {"base_url": "http://a/v1"}})
    assert list(configured.providers)[:3] == ["beta", "groq", "alpha"]
    assert list(configured.providers).count("groq") == 1


def test_a_key_that_is_named_and_not_set_is_noted() -> None:
    configured, _ = read({"alpha": {"base_url": "http://a/v1", "key_env": "ALPHA_KEY"}})
    assert not configured.providers["alpha"].usable
    assert configured.notes == ("providers.alpha: ALPHA_KEY is not set in the environment, so it cannot be called",)


def test_a_key_that_would_travel_unencrypted_through_the_world_is_noted() -> None:
    tables = {
        slug: {"base_url": url, "key_env": "K"}
        for slug, url in (("far", "http://a.example/v1"), ("near", "http://gpu/v1"))
    }
    configured, faults = read(tables, {"K": "canary"})
    assert faults == []
    assert configured.notes == ("providers.far: its key travels unencrypted to http://a.example/v1",)


def test_a_disabled_provider_needs_no_key() -> None:
    assert read({"groq": {"disabled": True, "key_env": "K"}})[0].notes == ()


def test_an_address_that_already_names_the_chat_route_is_told() -> None:
    _, faults = read({"alpha": {"base_url": "http://gpu/v1/chat/completions/"}})
    assert faults == ["alpha.base_url must end before /chat/completions, which is added to it"]


@pytest.mark.parametrize("slug", ["fastest", "v1", "api", "metrics", "chat", "auto", "deadlines"])
def test_a_name_that_is_a_policy_or_a_route_of_ours_is_refused(slug) -> None:
    assert slug in RESERVED_SLUGS
    _, faults = read({slug: {"base_url": "http://a/v1"}})
    assert faults == [f"{slug} cannot be a provider's name: the word is a policy, a route or a setting of ours"]


def test_a_bad_name_a_missing_address_and_an_unknown_key_are_all_told() -> None:
    _, faults = read(
        {"Alpha": {"base_url": "http://a/v1"}, "grok": {}, "b": {"base_url": "http://b/v1", "chat_pth": "/x"}}
    )
    assert faults == [
        "Alpha cannot be a provider's name: it must be 1-40 of a-z, 0-9 and -",
        'grok needs a base_url: it is none of the known providers; did you mean "groq"?',
        'b.chat_pth is no setting; did you mean "chat_path"?',
    ]


def test_what_is_no_table_is_told_and_the_known_ones_are_there_all_the_same() -> None:
    configured, faults = read(["x"])
    assert len(faults) == 1
    assert "groq" in configured.providers
    assert read({"alpha": 5})[1][0] == "alpha must be a table, not 5"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:9/v1", True),
        ("http://[::1]/v1", True),
        ("http://10.1.2.3", True),
        ("http://2130706433/", True),
        ("http://localhost:11434/v1", True),
        ("http://vllm:8000/v1", True),
        ("http://gpu.internal/v1", True),
        ("https://api.groq.com/openai/v1", False),
        ("https://8.8.8.8/", False),
        ("https://internal.example.com/", False),
    ],
)
def test_an_address_is_local_when_it_says_so_itself(url, local) -> None:
    assert is_local_address(url) is local
    assert read({"alpha": {"base_url": url}})[0].providers["alpha"].allow_private is local


def test_the_operator_s_word_about_private_networks_stands() -> None:
    tables = {
        "alpha": {"base_url": "https://gpu.example.com", "allow_private": True},
        "beta": {"base_url": "http://127.0.0.1", "allow_private": False},
    }
    providers = read(tables)[0].providers
    assert providers["alpha"].allow_private
    assert not providers["beta"].allow_private
