"""`waypost init`: a settings file in which every setting stands as a comment, made from the tables that are read."""

from __future__ import annotations

import json
import os
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from waypost.cli.exits import Exit, Stop
from waypost.cli.options import Call
from waypost.cli.screen import plain
from waypost.domain.tables import settings_of
from waypost.providers.known import KNOWN
from waypost.settings_file import FILE_NAME, find_file
from waypost.settings_table import SECTIONS

WIDTH: Final = 110
EXAMPLES: Final = {
    "tls_cert_file": "/etc/waypost/cert.pem",
    "tls_key_file": "/etc/waypost/key.pem",
    "data_folder": "waypost-data",
    "database": "postgres://waypost@db.example.com/waypost",
    "enabled": True,
    "webhook_secret_env": "TOP_UP_SECRET",
    "endpoint": "http://127.0.0.1:4318",
}
"""What stands in the comment of a setting that is unset by default."""
BEGINNING: Final = """\
# Settings of Waypost. A line with "#" and no blank behind it is a setting at its default: take the "#" away to change
# it. A running server reads this file again when it changes; what cannot be read stops a start, and never a stream.
# `waypost config check` reads it, `waypost config show` says what is in force.

# ---- Providers ------------------------------------------------------------------------------------------------------
# A known provider is switched on by its key in the environment and needs no line here. Keys never stand in this file.
"""
OTHERS: Final = """
# Whatever speaks OpenAI's chat dialect (vLLM, llama.cpp, Ollama, LM Studio, TGI) takes an address.
# `waypost providers discover` finds those that run on this machine.
#[providers.workshop]
#base_url = "http://10.0.0.7:8000/v1"
#key_env = "WORKSHOP_KEY"               # the environment variable that holds the key, where it wants one

# ---- Models ---------------------------------------------------------------------------------------------------------
# `waypost models sync` asks providers what they run at which price; a line here is laid over what they said.
#[models."acme/one".workshop]           # model id, then the provider that runs it
#id = "one-q8"                          # its name there; left out: the model id
#input_usd_per_million = "0.10"         # without prices it is unpriced, which is not free
#output_usd_per_million = "0.30"
#context_length = 32768
#abilities = ["tools", "structured_output", "images"]

# ---- Everything else, each at its default ---------------------------------------------------------------------------
"""


def write(call: Call, folder: Path) -> None:
    """Write the file into the folder. Raises Stop where one is there already."""
    path = folder / FILE_NAME
    keys = keys_that_are_set(os.environ)  # noqa: TID251 (which providers there could be)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text_of(keys))
    except FileExistsError:
        raise Stop(
            Exit.SETTINGS,
            f"{plain(path)} is there already, and stays as it is.",
            "Name another folder, or move it away.",
        ) from None
    screen = call.screen
    screen.note(f"Wrote {plain(path)}.")
    for slug, name in keys.items():
        screen.note(f"{name} is set: {slug} is switched on.")
    if not keys:
        screen.note("No provider's key is set, so practice providers will serve.")
    screen.hint(f"waypost serve{start_options(path)}")


def start_options(path: Path) -> str:
    """What has a server find the file from where its writer stands: nothing, where it would find it by itself."""
    found = find_file(None, os.environ)  # noqa: TID251 (which may name a file)
    by_itself = found is not None and found.exists() and found.samefile(path)
    return "" if by_itself else f" --config {shlex.quote(plain(path))}"


def keys_that_are_set(environment: Mapping[str, str]) -> dict[str, str]:
    """Known provider → the variable that holds its key."""
    named = (
        (row.slug, next((name for name in row.key_names if environment.get(name, "").strip()), "")) for row in KNOWN
    )
    return {slug: name for slug, name in named if name}


def text_of(keys: Mapping[str, str]) -> str:
    """The whole file."""
    return BEGINNING + _known(keys) + OTHERS + "".join(_sections())


def _known(keys: Mapping[str, str]) -> str:
    if not keys:
        names = ", ".join(dict.fromkeys(row.key_names[0] for row in KNOWN if row.key_names))
        return "".join(_comment(f"None is set at the moment. Known are {names}."))
    stanza = "# {name} is set, so {slug} serves.\n#[providers.{slug}]\n#disabled = true\n"
    return "".join(stanza.format(name=name, slug=slug) for slug, name in keys.items())


def _sections() -> Iterator[str]:
    for section, shape in SECTIONS.items():
        yield "\n"
        yield from _comment(str(shape.__doc__))
        yield f"[{section}]\n"
        for name, (_, default, meaning) in settings_of(shape).items():
            yield from _comment(meaning)
            yield f"#{name} = {_value(name, default)}\n"


def _comment(text: str) -> Iterator[str]:
    return (f"{line}\n" for line in textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# "))


def _value(name: str, default: Any) -> str:
    """As TOML writes it; for what is unset, an example."""
    return json.dumps(EXAMPLES[name] if default is None else default, ensure_ascii=False)
