"""Our own HTTP client for a command that asks providers, one loop for the length of the command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import uvloop

from waypost.cli.exits import Exit
from waypost.domain.problems import Failed
from waypost.providers.tunnel import ProxySettings
from waypost.providers.upstream import Upstream
from waypost.settings import Settings

Result = TypeVar("Result")


def call_out(settings: Settings, work: Callable[[Upstream], Awaitable[Result]]) -> Result:
    """What the work gives, done with a client that reaches out as the server would."""

    async def done() -> Result:
        proxy = settings.proxy
        upstream = Upstream(proxy=ProxySettings(proxy.url, proxy.no_proxy, proxy.trusted) if proxy.url else None)
        try:
            return await work(upstream)
        finally:
            await upstream.close()

    return uvloop.run(done())


def exit_of_failure(failed: Failed) -> Exit:
    """A provider that answered wrongly is told from one that could not be reached."""
    answered = "status" in failed.extra
    reached = answered or ("trouble" not in failed.extra and failed.code != "provider_timeout")
    return Exit.PROVIDER if reached else Exit.UNREACHABLE
