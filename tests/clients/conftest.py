"""One Waypost for most of the clients, and one whose tokens look like Hugging Face's, as its own clients want them."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from environment import JAVASCRIPT
from practice_process import KEY, provider_elsewhere
from running import run_to_end
from waypost_process import Waypost, waypost

SECONDS_MAX = 60
GENERATORS_DEEP = 5
"""Each generator that ends lets go of the one it reads from."""
SETTINGS = """
[practice]
enabled = true

[routing]
explore_share = 0
breaker_failures = 1000       # the broken models below are called by every client in turn

[providers.groq]
base_url = "{elsewhere}/v1"
key_env = "ELSEWHERE_KEY"

[providers.hf-inference]
base_url = "{elsewhere}"
key_env = "ELSEWHERE_KEY"

[providers.novita]
base_url = "{elsewhere}/v1"
key_env = "WRONG_KEY"

[models."meta/llama".groq]
id = "llama-elsewhere"
input_usd_per_million = "0.20"
output_usd_per_million = "0.80"

[models."meta/llama".hf-inference]
id = "llama-elsewhere"

[models."broken/key".novita]
id = "llama-elsewhere"

[models."broken/down".practice-swift]
id = "practice/parrot+status_500"

[models."broken/limited".practice-swift]
id = "practice/parrot+rate_limited=7"

[models."broken/strict".practice-swift]
id = "practice/parrot+unprocessable_422"

[models."broken/midway".practice-swift]
id = "practice/parrot+error_mid_stream"

[models."broken/silent".practice-swift]
id = "practice/parrot+silent"
[models."broken/silent".deadlines]
first_word_seconds_max = 0.3
call_seconds_max = 0.3
"""
PAYERS = ("another-org", "some-org", "your-org-name")
"""Organisations that the clients' tests and a forum's answer name."""
ENVIRONMENT = {"ELSEWHERE_KEY": KEY, "WRONG_KEY": "not-the-key-of-elsewhere"}


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[str]:
    with provider_elsewhere() as address:
        yield address


@pytest.fixture(scope="session")
def router(elsewhere, tmp_path_factory) -> Iterator[Waypost]:
    folder = tmp_path_factory.mktemp("router")
    with waypost(folder, SETTINGS.format(elsewhere=elsewhere), environment=ENVIRONMENT) as server:
        yield with_payers(server)


@pytest.fixture(scope="session")
def hub(elsewhere, tmp_path_factory) -> Iterator[Waypost]:
    """The same, with tokens that begin with `hf_`."""
    settings = SETTINGS.format(elsewhere=elsewhere) + '\n[tokens]\nprefix = "hf_wp_"\n'
    with waypost(tmp_path_factory.mktemp("hub"), settings, environment=ENVIRONMENT) as server:
        yield with_payers(server)


def with_payers(server: Waypost) -> Waypost:
    for name in PAYERS:
        server.running.found(name)
    return server


@pytest.fixture(scope="session")
def run_javascript(node) -> Callable[..., Any]:
    """`run_javascript(file, *arguments)`: what a program beside the JavaScript clients has found, as JSON."""

    def run(file: str, *arguments: str) -> Any:
        command = [node, str(JAVASCRIPT / file), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """As everywhere, but waits for generators that clients leave to the collector, which ends them in tasks."""

    async def tidied(coroutine: Coroutine[Any, Any, Any]) -> Any:
        result = await coroutine
        for _ in range(GENERATORS_DEEP):
            gc.collect()
            await asyncio.sleep(0)  # the loop makes the tasks in a turn of its own
            if left := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(left)
        return result

    return lambda coroutine: run_to_end(tidied(coroutine))
