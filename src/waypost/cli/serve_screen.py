"""What `waypost serve` shows when it is ready."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Final, NamedTuple

from waypost.cli.options import Where
from waypost.cli.screen import Screen, command_name, plain
from waypost.crew import Ready

FIRST_WORDS: Final = "Hello!"
NAME_WIDTH: Final = 9


class Started(NamedTuple):
    """What was started, and how."""

    ready: Ready
    settings_file: str | None
    where: Where
    """As it was said on this command line: another command needs the same options to find the same folder."""

    def command(self, words: str) -> str:
        """A line to paste in another terminal."""
        said = {"--data": self.where.data, "--config": self.where.config}
        options = [f" {name} {shlex.quote(str(path))}" for name, path in said.items() if path is not None]
        return f"{command_name()} {words}{''.join(options)}"


def started(screen: Screen, start: Started) -> Iterator[str]:
    """The lines, from the address to what to try next."""
    yield ""
    yield f"  {screen.bold('Waypost')} is serving at {screen.bold(screen.green(start.ready.address))}"
    yield ""
    yield from (f"  {screen.dim(name.ljust(NAME_WIDTH))}  {text}" for name, text in _facts(screen, start))
    yield ""
    yield from _token_lines(screen, start)
    yield from _try_lines(start)
    yield ""


def _facts(screen: Screen, start: Started) -> Iterator[tuple[str, str]]:
    ready = start.ready
    yield "data", plain(ready.data)
    if ready.database is not None:
        yield "database", plain(ready.database)
    yield "settings", plain(start.settings_file or f"none, all defaults; `{command_name()} init` writes a file of them")
    yield "providers", _providers(screen, ready)
    yield "models", str(ready.models)
    if ready.workers > 1:
        yield "workers", str(ready.workers)


def _providers(screen: Screen, ready: Ready) -> str:
    real = ", ".join(slug for slug in ready.providers if slug not in ready.practice)
    ours_first = sorted(ready.practice, key=lambda slug: not slug.startswith("practice-"))
    practice = f"{', '.join(ours_first)} {screen.dim('(practice: no key, no network)')}" if ours_first else ""
    if real and practice:
        return f"{real}; {practice}"
    return real or practice or f"none yet {screen.dim('(a key such as GROQ_API_KEY switches one on)')}"


def _token_lines(screen: Screen, start: Started) -> Iterator[str]:
    ready = start.ready
    if ready.token is not None:
        yield f"  The first token, for user {screen.bold(str(ready.user))}. It is shown this once; keep it:"
        yield ""
        yield f"    {screen.bold(ready.token)}"
    else:
        yield "  The first token was shown at the first start, and is kept nowhere. For another one:"
        yield ""
        yield f"    {start.command('tokens create NAME')}"
    yield ""


def _try_lines(start: Started) -> Iterator[str]:
    ready = start.ready
    if ready.model is None:
        yield "  No model can be called yet. To ask your providers for theirs:"
        yield ""
        yield f"    {start.command('models sync')}"
        return
    body = {"model": ready.model, "messages": [{"role": "user", "content": FIRST_WORDS}]}
    yield "  Try it:"
    yield ""
    yield f"    curl {ready.address}/v1/chat/completions \\"
    if ready.certificate is not None:
        yield f"      --cacert {shlex.quote(str(ready.certificate))} \\"
    yield f'      -H "Authorization: Bearer {ready.token or "$WAYPOST_TOKEN"}" \\'
    yield '      -H "Content-Type: application/json" \\'
    yield f"      -d '{json.dumps(body)}'"
    yield ""
    here = "" if start.where.data or start.where.config else " in this folder"
    yield f"  Or talk to it in another terminal{here}; it needs no token of yours:"
    yield ""
    yield f"    {start.command('chat')}"
