"""The chat providers of Hugging Face's list, and a few more: where they are and what is odd about them.

Rows of data, nothing else. Base URLs, paths and oddities are those of Hugging Face's own clients
(`huggingface_hub/inference/_providers`, `huggingface.js/packages/inference/src/providers`, August 2026).
A key in the environment switches a provider on.
"""

from __future__ import annotations

from typing import Final, NamedTuple

HUGGINGFACE: Final = "huggingface"
HUB_URL: Final = "https://huggingface.co"


class KnownProvider(NamedTuple):
    """What we know about a provider before anybody has said a word about it."""

    slug: str
    base_url: str
    key_names: tuple[str, ...]
    """Environment variables that may hold the key, best first. None: we cannot call it."""
    native_paths: tuple[str, ...] = ("/v1/chat/completions",)
    """What Hugging Face's clients send after `/{slug}`."""
    chat_path: str = "/chat/completions"
    models_path: str | None = "/models"
    """Its list of models, after `base_url`; None where it has none that we could read."""
    hub_ids: bool = False
    """It calls models by their Hugging Face id."""
    headers: tuple[tuple[str, str], ...] = ()
    drop_fields: tuple[str, ...] = ()
    schema_shape: str = "openai"


KNOWN: Final[tuple[KnownProvider, ...]] = (
    KnownProvider("baseten", "https://inference.baseten.co/v1", ("BASETEN_API_KEY",)),
    KnownProvider(
        "cerebras",
        "https://api.cerebras.ai/v1",
        ("CEREBRAS_API_KEY",),
        drop_fields=("store",),  # answers 400 wrong_api_format to it
    ),
    KnownProvider(
        "cohere",
        "https://api.cohere.com/compatibility/v1",
        ("COHERE_API_KEY", "CO_API_KEY"),
        ("/compatibility/v1/chat/completions",),
        models_path=None,
        schema_shape="object",
    ),
    KnownProvider(
        "deepinfra",
        "https://api.deepinfra.com/v1/openai",
        ("DEEPINFRA_API_KEY", "DEEPINFRA_API_TOKEN", "DEEPINFRA_TOKEN"),
        ("/v1/openai/chat/completions",),
        hub_ids=True,
    ),
    KnownProvider(
        "fal-ai", "https://fal.run", (), (), models_path=None
    ),  # in Hugging Face's list; no chat route of its own
    KnownProvider(
        "featherless-ai",
        "https://api.featherless.ai/v1",
        ("FEATHERLESS_API_KEY", "FEATHERLESS_AI_API_KEY"),
        hub_ids=True,
    ),
    KnownProvider(
        "fireworks-ai",
        "https://api.fireworks.ai/inference/v1",
        ("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
        ("/inference/v1/chat/completions",),
        schema_shape="object",
    ),
    KnownProvider(
        "groq",
        "https://api.groq.com/openai/v1",
        ("GROQ_API_KEY",),
        ("/openai/v1/chat/completions",),
        hub_ids=True,
    ),
    KnownProvider(
        "hf-inference",
        "https://router.huggingface.co/hf-inference",
        ("HF_TOKEN",),
        ("/models/{id}/v1/chat/completions", "/v1/chat/completions"),
        "/models/{id}/v1/chat/completions",
        models_path=None,
        hub_ids=True,
        schema_shape="grammar",
    ),
    KnownProvider(
        "novita",
        "https://api.novita.ai/v3/openai",
        ("NOVITA_API_KEY",),
        ("/v3/openai/chat/completions",),
    ),
    KnownProvider(
        "nscale", "https://inference.api.nscale.com/v1", ("NSCALE_API_KEY", "NSCALE_SERVICE_TOKEN"), hub_ids=True
    ),
    KnownProvider(
        "ovhcloud",
        "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        ("OVHCLOUD_API_KEY", "OVH_AI_ENDPOINTS_ACCESS_TOKEN"),
    ),
    KnownProvider("publicai", "https://api.publicai.co/v1", ("PUBLICAI_API_KEY",)),
    KnownProvider("scaleway", "https://api.scaleway.ai/v1", ("SCALEWAY_API_KEY", "SCW_SECRET_KEY")),
    KnownProvider(
        "together",
        "https://api.together.xyz/v1",
        ("TOGETHER_API_KEY", "TOGETHERAI_API_KEY"),
        hub_ids=True,
        schema_shape="flat",
    ),
    KnownProvider(
        "zai-org",
        "https://api.z.ai/api/paas/v4",
        ("ZAI_API_KEY",),
        ("/api/paas/v4/chat/completions",),
        headers=(("accept-language", "en-US,en"), ("x-source-channel", "hugging_face")),
    ),
    KnownProvider("openai", "https://api.openai.com/v1", ("OPENAI_API_KEY",)),
    KnownProvider(HUGGINGFACE, "https://router.huggingface.co/v1", ("HF_TOKEN",), (), hub_ids=True),
)
"""In the order of Hugging Face's list; its router itself is the last one asked."""

KNOWN_BY_SLUG: Final = {row.slug: row for row in KNOWN}
