"""Words that a shell offers, asked of the running server in one quick round, with nothing imported that is not needed.

Every function takes the options so far and the beginning of the word, and may fail in any way: then nothing is
offered.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

SECONDS_MAX: Final = 0.5
BYTES_MAX: Final = 8 * 1024 * 1024
DATA_FOLDER: Final = "waypost-data"
"""As in `settings_layers.py`."""
POLICIES: Final = ("fastest", "cheapest", "preferred")


def models(params: Mapping[str, Any], _begun: str) -> list[str]:
    """Every model's id."""
    return [entry["id"] for entry in _listed(params)]


def models_and_policies(params: Mapping[str, Any], begun: str) -> list[str]:
    """Every model's id; after a colon, what can follow it."""
    model, colon, _ = begun.partition(":")
    if not colon:
        return models(params, begun)
    slugs = [row["provider"] for entry in _listed(params) if entry["id"] == model for row in entry["providers"]]
    return [f"{model}:{tag}" for tag in (*POLICIES, *slugs)]


def providers(params: Mapping[str, Any], _begun: str) -> list[str]:
    """Every provider of any model."""
    return sorted({row["provider"] for entry in _listed(params) for row in entry["providers"]})


def requests(params: Mapping[str, Any], _begun: str) -> list[str]:
    """The latest requests."""
    return [bill["id"] for bill in _get(params, "/v1/requests?limit=50")["data"]]


def _listed(params: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = _get(params, "/v1/models")["data"]
    return found


def _get(params: Mapping[str, Any], path: str) -> Any:
    """A document of the server that is meant; HTTP/1.0 by hand, so that the end of the connection is its end."""
    folder = _folder(params)
    address = params.get("url") or os.environ.get("WAYPOST_URL")  # noqa: TID251 (as the options do)
    token = params.get("token") or os.environ.get("WAYPOST_TOKEN")  # noqa: TID251 (as the options do)
    if address is None:
        address = json.loads((folder / "server.json").read_bytes())["address"]
        token = token or _kept_token(folder)
    parts = urlsplit(address)
    shown = f"authorization: Bearer {token}\r\n" if token else ""
    with socket.create_connection((parts.hostname, parts.port or 80), SECONDS_MAX) as sock:
        sock.sendall(f"GET {path} HTTP/1.0\r\nhost: {parts.netloc}\r\n{shown}\r\n".encode())
        text = bytearray()
        while (data := sock.recv(65_536)) and len(text) < BYTES_MAX:
            text += data
    return json.loads(bytes(text).partition(b"\r\n\r\n")[2])


def _folder(params: Mapping[str, Any]) -> Path:
    """The data folder where no settings file names one; reading that would take too long here."""
    said = params.get("data") or os.environ.get("WAYPOST_DATA")  # noqa: TID251 (as the settings do)
    return Path(said or DATA_FOLDER)


def _kept_token(folder: Path) -> str | None:
    try:
        token: str = json.loads((folder / "cli-token").read_bytes())["token"]
    except (OSError, ValueError, KeyError):
        return None
    return token
