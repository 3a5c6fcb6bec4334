"""What each room is told of the settings."""

from __future__ import annotations

import os
import resource
import socket
import ssl
import time
from collections.abc import Callable

from waypost.domain.waybill import Waybill
from waypost.door.otlp import Collector
from waypost.door.telemetry import Telemetry
from waypost.providers.tunnel import ProxySettings
from waypost.routing.planner import PlannerSettings
from waypost.routing.vitals import PulseSettings
from waypost.settings import Settings
from waypost.store.books import Retention
from waypost.wire.http11_messages import HttpLimits

FILES_OF_OUR_OWN = 128
"""Open files that are no connection: the store, the log, the listening sockets, the loop."""


def retention(settings: Settings) -> Retention:
    """How long waybills are kept."""
    return Retention(settings.waybills.keep_days, settings.waybills.keep_rows_max)


def pulse_settings(settings: Settings) -> PulseSettings:
    routing = settings.routing
    return PulseSettings(
        routing.breaker_failures,
        int(routing.breaker_rest_seconds * 1000),
        int(routing.breaker_rest_seconds_max * 1000),
        int(routing.retry_after_seconds_max * 1000),
    )


def told_outside(settings: Settings) -> tuple[Collector | None, Callable[[Waybill], None] | None]:
    """Who is told of calls outside, and who is told of each."""
    wanted = settings.telemetry
    if wanted.endpoint is None:
        return None, None
    telemetry = Telemetry(time.time_ns, f"{socket.gethostname()}:{os.getpid()}")
    return Collector(wanted.endpoint, telemetry.report, wanted.interval_seconds), telemetry.ended


def planner_settings(settings: Settings) -> PlannerSettings:
    return PlannerSettings(settings.routing.explore_share, settings.routing.unpriced == "refuse", settings.deadlines)


def proxy_settings(settings: Settings) -> ProxySettings | None:
    proxy = settings.proxy
    return ProxySettings(proxy.url, proxy.no_proxy, proxy.trusted) if proxy.url else None


def http_limits(settings: Settings) -> HttpLimits:
    server = settings.server
    shared = {name: getattr(server, name) for name in HttpLimits._fields if hasattr(server, name)}
    return HttpLimits(**shared)._replace(connections_max=connections_bearable(server.connections_max))


def connections_bearable(wanted: int) -> int:
    """So many clients' connections as the open files allow, with one to a provider each.

    Without it the files would run out, and calls to providers fail as if it were the providers' fault.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, max(1, (soft - FILES_OF_OUR_OWN) // 2))


def door_tls(settings: Settings) -> ssl.SSLContext | None:
    """How the door speaks TLS, if it does. Raises OSError for files that cannot be used."""
    if settings.server.tls_cert_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, settings)
    return context


def load_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    server = settings.server
    if server.tls_cert_file is not None:
        # A passphrase is refused: without one named here, OpenSSL would stop and ask for it.
        context.load_cert_chain(server.tls_cert_file, server.tls_key_file, password="")
