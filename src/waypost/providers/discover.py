"""`waypost providers discover`: model servers on their usual ports of this machine.

Asks, never guesses: a port counts only when it answers `/v1/models` with a list, and it gets a server's name only when
it also answers a question that this server alone answers so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from waypost.domain.endpoints import Model, Provider
from waypost.domain.problems import Failed
from waypost.providers.addresses import Address
from waypost.providers.fetch import FetchLimits, fetch
from waypost.providers.listed import at
from waypost.providers.listings import NoList, Origin, items_of, provider_sheet
from waypost.providers.upstream import Upstream

HOST: Final = "127.0.0.1"
PORTS: Final = (11434, 8000, 8080, 1234, 3000, 30000)
"""Ollama, vLLM, llama.cpp, LM Studio, TGI, SGLang."""
LIMITS: Final = FetchLimits(bytes_max=8 * 1024 * 1024, seconds_max=3.0, connect_seconds_max=1.0)


class Probe(NamedTuple):
    """A question that tells one kind of server from all others."""

    slug: str
    name: str
    path: str
    answers: Callable[[Any], bool]


class Found(NamedTuple):
    """A server that lists models."""

    port: int
    name: str
    evidence: str
    """What it answered that told it apart."""
    provider: Provider
    models: tuple[Model, ...]
    notes: tuple[str, ...]

    @property
    def toml(self) -> str:
        """What to add to `waypost.toml`. Prices are left out: what a local server costs, only its owner knows."""
        lines = [f"# {self.name}, found on port {self.port}", f"[providers.{self.provider.slug}]"]
        lines.append(f"base_url = {_quoted(self.provider.base_url)}")
        for model in self.models:
            endpoint = model.endpoints[0]
            lines += ["", f"[models.{_quoted(model.id)}.{self.provider.slug}]", f"id = {_quoted(endpoint.id)}"]
            if endpoint.context_length is not None:
                lines.append(f"context_length = {endpoint.context_length}")
        return "\n".join([*lines, ""])


class Discovery(NamedTuple):
    """What stands on the ports that were asked."""

    found: tuple[Found, ...]
    skipped: tuple[tuple[int, str], ...]
    """Port → why nothing was found there."""


async def discover(
    upstream: Upstream, as_of: str, ports: Collection[int] = PORTS, our_ports: Collection[int] = ()
) -> Discovery:
    """Ask every port but our own, all at once."""
    asked = [port for port in dict.fromkeys(ports) if port not in our_ports]
    answers = await asyncio.gather(*(_ask(upstream, port, as_of) for port in asked))
    found: list[Found] = []
    skipped = [(port, "our own port") for port in ports if port in our_ports]
    for port, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Found):
            found.append(_with_free_slug(answer, found))
        else:
            skipped.append((port, answer))
    return Discovery(tuple(found), tuple(skipped))


async def _ask(upstream: Upstream, port: int, as_of: str) -> Found | str:
    address = Address("http", HOST, port, allow_private=True)
    try:
        document = (await fetch(upstream, address, "/v1/models", limits=LIMITS)).value
        items = items_of(document)
    except Failed as failed:
        return failed.why
    except NoList as no_list:
        return f"/v1/models answers, but {no_list}"
    if any(isinstance(item, Mapping) and "providers" in item for item in items):
        return "a router, not a model server: its list names providers"
    probe, answer = await _recognise(upstream, address, items)
    slug, name = (probe.slug, probe.name) if probe else (f"local-{port}", "a server that speaks OpenAI")
    evidence = f"{probe.path} answers as {probe.name} does" if probe else "no question told which server it is"
    base_url = f"http://{HOST}:{port}/v1"
    sheet = provider_sheet(_with_limits(items, probe, answer), {}, Origin(slug, f"{base_url}/models", as_of))
    provider = Provider(slug, base_url, keyless=True, allow_private=True)
    return Found(port, name, evidence, provider, sheet.models, sheet.notes)


async def _recognise(upstream: Upstream, address: Address, items: list[Any]) -> tuple[Probe | None, Any]:
    for probe in PROBES:
        if probe.path == "/v1/models":
            answer: Any = items
        else:
            try:
                answer = (await fetch(upstream, address, probe.path, limits=LIMITS)).value
            except Failed:
                continue
        if probe.answers(answer):
            return probe, answer
    return None, None


def _owned_by(owner: str) -> Callable[[Any], bool]:
    def answers(items: Any) -> bool:
        return bool(items) and all(isinstance(item, Mapping) and item.get("owned_by") == owner for item in items)

    return answers


def _is_ollama(answer: Any) -> bool:
    models = answer.get("models") if isinstance(answer, Mapping) else None
    return isinstance(models, list) and all(isinstance(model, Mapping) and "digest" in model for model in models)


def _is_tgi(answer: Any) -> bool:
    router = at(answer, ("router",)) if isinstance(answer, Mapping) else None
    return isinstance(router, str) and router.startswith("text-generation-router")


def _is_lm_studio(answer: Any) -> bool:
    items = answer.get("data") if isinstance(answer, Mapping) else None
    return isinstance(items, list) and all(
        isinstance(item, Mapping) and "compatibility_type" in item and "state" in item for item in items
    )


PROBES: Final = (
    Probe("vllm", "vLLM", "/v1/models", _owned_by("vllm")),
    Probe("sglang", "SGLang", "/v1/models", _owned_by("sglang")),
    Probe("llamacpp", "llama.cpp", "/v1/models", _owned_by("llamacpp")),
    Probe("lm-studio", "LM Studio", "/api/v0/models", _is_lm_studio),
    Probe("ollama", "Ollama", "/api/tags", _is_ollama),
    Probe("tgi", "TGI", "/info", _is_tgi),
)
"""In the order they are asked; the first that fits names the server."""


def _with_limits(items: list[Any], probe: Probe | None, answer: Any) -> list[Any]:
    """The list, with what the server says about its models elsewhere."""
    if probe is not None and probe.slug == "lm-studio":
        return list(answer["data"])
    if probe is not None and probe.slug == "tgi":
        limit = answer.get("max_total_tokens")
        return [{**item, "context_length": limit} if isinstance(item, Mapping) else item for item in items]
    return items


def _with_free_slug(found: Found, before: list[Found]) -> Found:
    """Two servers of one kind get two names: the second has its port in it."""
    if all(other.provider.slug != found.provider.slug for other in before):
        return found
    slug = f"{found.provider.slug}-{found.port}"
    provider = Provider(slug, found.provider.base_url, keyless=True, allow_private=True)
    models = tuple(
        replace(model, endpoints=tuple(replace(each, provider=slug) for each in model.endpoints))
        for model in found.models
    )
    return found._replace(provider=provider, models=models)


def _quoted(text: str) -> str:
    """A TOML key or text: JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=False)
