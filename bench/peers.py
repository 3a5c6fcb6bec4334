"""Other gateways that can be installed from PyPI and npm, each in a temporary folder of its own.

None of them is governed as they run here: no limits, no ledger, and but for LiteLLM's master key no token check.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bench.targets import Launch, Running, Speech, TargetFailed, free_port, launched

INSTALL_SECONDS_MAX: Final = 1_200.0
KINDS: Final = ("whole", "burst", "paced", "idle")
NO_KEY: Final = (("authorization", "Bearer none"),)
BARE: Final = {"PYTHONPATH": "", "NODE_PATH": ""}


class Place(NamedTuple):
    """Where a peer was installed, and what it stands before."""

    home: Path
    upstream: int
    cores: frozenset[int] | None

    @property
    def python(self) -> str:
        return str(self.home / "bin" / "python")

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.upstream}"


class Peer(NamedTuple):
    """A gateway that others make."""

    name: str
    package: str
    install: Callable[[Path, str], str]
    """Into a folder; gives the version."""
    launch: Callable[[Place], Launch]

    @contextmanager
    def start(self, folder: Path, upstream: int, cores: frozenset[int] | None) -> Iterator[Running]:
        """Install and start. Raises TargetFailed."""
        place = Place(folder / self.name, upstream, cores)
        place.home.mkdir(parents=True)
        version = self.install(place.home, self.package)
        launch = self.launch(place)
        with launched(launch._replace(name=f"{self.name} {version}")) as running:
            running.peer = True
            yield running


def from_pypi(home: Path, package: str) -> str:
    """A virtual environment with this package, wheels only."""
    venv.create(home, symlinks=True, with_pip=False)
    python = str(home / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--only-binary", ":all:", package], home)
    name = package.partition("[")[0]
    return run([python, "-c", f"from importlib.metadata import version; print(version('{name}'))"], home).strip()


def from_npm(home: Path, package: str) -> str:
    """A folder with this package; its install scripts do not run."""
    npm = shutil.which("npm")
    if npm is None:
        raise TargetFailed("there is no npm: apt-get install npm")
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    run([npm, "install", "--prefix", str(home), *options, package], home)
    return str(json.loads((home / "node_modules" / package / "package.json").read_text())["version"])


def run(command: list[str], folder: Path) -> str:
    """What it wrote. Raises TargetFailed with the last of what it said."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        raise TargetFailed(f"could not be installed within {INSTALL_SECONDS_MAX:.0f} s") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["without a word"]
        told = next((line for line in lines if "error" in line.lower()), lines[-1])
        raise TargetFailed(f"could not be installed: {told[:200]}")
    return done.stdout


def _router(module: str) -> Callable[[Place], Launch]:
    """vLLM's and SGLang's routers share their options."""

    def launch(place: Place) -> Launch:
        port = free_port()
        where = ["--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(free_port())]
        options = ["--worker-urls", place.base_url, "--policy", "round_robin", *where]
        command = [place.python, "-m", f"{module}.launch_router", *options]
        return Launch("", command, port, Speech(), place.home / "log", place.cores, BARE)

    return launch


TENSORZERO: Final = """
import os, sys, time
from tensorzero import tensorzero
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # its log goes to standard output
gateway = tensorzero._start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False)
print(gateway.base_url, file=out, flush=True)
while True:
    time.sleep(3600)
"""


def _tensorzero(place: Place) -> Launch:
    config = place.home / "tensorzero.toml"
    rows = (
        f'[models.{kind}]\nrouting = ["canned"]\n[models.{kind}.providers.canned]\ntype = "openai"\n'
        f'api_base = "{place.base_url}/{kind}/v1/"\nmodel_name = "{kind}"\napi_key_location = "none"\n'
        for kind in KINDS
    )
    config.write_text("gateway.observability.enabled = false\n" + "".join(rows))
    speech = Speech("/openai/v1/chat/completions", "tensorzero::model_name::KIND")
    command = [place.python, "-c", TENSORZERO, str(config)]
    return Launch("", command, 0, speech, place.home / "log", place.cores, BARE)


def _litellm(place: Place) -> Launch:
    config, port = place.home / "litellm.yaml", free_port()
    models = [
        {
            "model_name": f"bench/{kind}",
            "litellm_params": {
                "model": f"openai/{kind}",
                "api_base": f"{place.base_url}/{kind}/v1",
                "api_key": "none",
            },
        }
        for kind in KINDS
    ]
    key = f"sk-{secrets.token_hex(24)}"  # it does not start without one
    config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": key}}))  # JSON is YAML
    options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    environment = {**BARE, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    command = [place.python, str(place.home / "bin" / "litellm"), *options]
    speech = Speech(headers=(("authorization", f"Bearer {key}"),))
    return Launch("", command, port, speech, place.home / "log", place.cores, environment)


def _portkey(place: Place) -> Launch:
    port = free_port()
    program = place.home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    custom_host = f"{place.base_url}/KIND/v1"
    speech = Speech(headers=(*NO_KEY, ("x-portkey-provider", "openai"), ("x-portkey-custom-host", custom_host)))
    command = [shutil.which("node") or "node", str(program), f"--port={port}", "--headless"]
    return Launch("", command, port, speech, place.home / "log", place.cores, BARE)


PEERS: Final = (
    Peer("vllm-router", "vllm-router", from_pypi, _router("vllm_router")),
    Peer("sglang-router", "sglang-router", from_pypi, _router("sglang_router")),
    Peer("TensorZero", "tensorzero", from_pypi, _tensorzero),
    Peer("LiteLLM", "litellm[proxy]", from_pypi, _litellm),
    Peer("Portkey", "@portkey-ai/gateway", from_npm, _portkey),
)
