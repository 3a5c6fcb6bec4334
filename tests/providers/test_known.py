"""What we know about providers stands beside what Hugging Face's own client does."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from huggingface_hub.hf_api import InferenceProviderMapping
from huggingface_hub.inference._providers import PROVIDERS, _common

from waypost.domain.endpoints import SCHEMA_SHAPES
from waypost.domain.kinds import BASE_URL, ENVIRONMENT_NAME, HEADERS, SLUG
from waypost.providers.configured import RESERVED_SLUGS
from waypost.providers.known import HUGGINGFACE, KNOWN, KNOWN_BY_SLUG

THEIRS = {slug: tasks["conversational"] for slug, tasks in PROVIDERS.items() if "conversational" in tasks}
ROUTED = sorted(set(THEIRS) - {"hf-inference", "openai"})
"""OpenAI is never routed; hf-inference asks the Hub about a model first, so its parts are tried alone."""
SCHEMA = {"type": "object", "properties": {}}
ASKED = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
SHAPES = {
    "openai": ASKED,
    "flat": {"type": "json_schema", "schema": SCHEMA},
    "object": {"type": "json_object", "schema": SCHEMA},
    "grammar": {"type": "json_object", "value": SCHEMA},
}


@pytest.fixture
def their_call(monkeypatch):
    """The request Hugging Face's client would make for a provider, with a token of ours or the provider's own key."""

    def call(slug: str, key: str):
        mapping = InferenceProviderMapping(
            provider=slug, hf_model_id="acme/one", providerId="one-there", status="live", task="conversational"
        )
        monkeypatch.setitem(_common.HARDCODED_MODEL_INFERENCE_MAPPING, slug, {"acme/one": mapping})
        return THEIRS[slug].prepare_request(
            inputs=[{"role": "user", "content": "hi"}],
            parameters={"response_format": ASKED},
            headers={},
            model="acme/one",
            api_key=key,
        )

    return call


def test_every_chat_provider_of_hugging_face_s_client_is_known() -> None:
    assert set(THEIRS) <= set(KNOWN_BY_SLUG)


@pytest.mark.parametrize("slug", sorted(set(THEIRS) - {"hf-inference"}))
def test_their_client_calls_the_provider_where_we_would(slug, their_call) -> None:
    row = KNOWN_BY_SLUG[slug]
    assert their_call(slug, "own-key").url == row.base_url + row.chat_path.replace("{id}", "one-there")


@pytest.mark.parametrize("slug", ROUTED)
def test_the_path_their_client_sends_to_a_router_is_a_native_path(slug, their_call) -> None:
    path = urlsplit(their_call(slug, "hf_token").url).path.removeprefix(f"/{slug}")
    assert path in [native.replace("{id}", "one-there") for native in KNOWN_BY_SLUG[slug].native_paths]


@pytest.mark.parametrize("slug", ROUTED)
def test_a_json_schema_has_the_shape_their_client_gives_it(slug, their_call) -> None:
    assert their_call(slug, "hf_token").json["response_format"] == SHAPES[KNOWN_BY_SLUG[slug].schema_shape]


def test_hf_inference_is_called_by_the_model_s_own_path_and_with_a_grammar() -> None:
    row, theirs = KNOWN_BY_SLUG["hf-inference"], THEIRS["hf-inference"]
    url = theirs._prepare_url("hf_token", "acme/one")
    mapping = InferenceProviderMapping(
        provider=row.slug, hf_model_id="acme/one", providerId="acme/one", status="live", task="conversational"
    )
    body = theirs._prepare_payload_as_dict([], {"response_format": ASKED}, mapping)
    assert url == row.base_url + row.chat_path.replace("{id}", "acme/one")
    assert url.removeprefix(row.base_url) == row.native_paths[0].replace("{id}", "acme/one")
    assert body["response_format"] == SHAPES[row.schema_shape]


def test_headers_that_their_client_adds_are_added() -> None:
    assert dict(KNOWN_BY_SLUG["zai-org"].headers) == {"accept-language": "en-US,en", "x-source-channel": "hugging_face"}


def test_cerebras_gets_no_store() -> None:
    assert KNOWN_BY_SLUG["cerebras"].drop_fields == ("store",)


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row.slug)
def test_each_row_is_what_the_settings_would_accept(row) -> None:
    assert SLUG.match(row.slug)
    assert row.slug not in RESERVED_SLUGS
    assert BASE_URL.read(row.base_url) == row.base_url
    assert HEADERS.read(dict(row.headers)) == row.headers
    assert all(ENVIRONMENT_NAME.match(name) for name in row.key_names)
    assert row.schema_shape in SCHEMA_SHAPES
    assert row.schema_shape in SHAPES
    assert row.base_url.startswith("https://")


def test_slugs_are_there_once_and_hugging_face_s_router_is_asked_last() -> None:
    assert len(KNOWN_BY_SLUG) == len(KNOWN)
    assert KNOWN[-1].slug == HUGGINGFACE
