"""Every setting, its default and its meaning: one class a section of `waypost.toml`, one field a key.

The reader, the reference page and `waypost doctor` all read these classes; nothing about a setting is written twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from waypost.domain.kinds import (
    BASE_URL,
    DATABASE,
    FLAG,
    LINE,
    ORIGIN,
    PROXY_URL,
    TOKEN_PREFIX,
    USD,
    VARIABLE,
    list_of,
    number,
    one_of,
    whole,
)
from waypost.domain.money import nano_usd
from waypost.domain.payers import Organisation
from waypost.domain.tables import setting
from waypost.routing.model_rows import DeadlineSettings

POLICIES: Final = ("fastest", "cheapest", "preferred")
MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """The door: where it listens and what it bears."""

    host: str = setting(LINE, "127.0.0.1", "Address to listen on; `0.0.0.0` or `::` for all.")
    port: int = setting(whole(0, 65535), 8080, "Port to listen on; 0 takes any free one.")
    workers: int = setting(whole(1, 63), 1, "Processes that serve; with more than one the parent owns the data.")
    tls_cert_file: str | None = setting(LINE, None, "Certificate chain (PEM); with `tls_key_file` the door speaks TLS.")
    tls_key_file: str | None = setting(LINE, None, "Private key (PEM) of the certificate.")
    allowed_origins: tuple[str, ...] = setting(
        list_of(ORIGIN), (), "Web origins whose pages may call us; none: CORS is off."
    )
    in_flight_max: int = setting(whole(1, 1_000_000), 10_000, "Calls under way at once, each process; more get 503.")
    connections_max: int = setting(whole(1, 1_000_000), 16_384, "Open client connections, each process.")
    loop_lag_seconds_max: float = setting(number(0.01, 60), 1.0, "Event-loop delay above which new calls get 503.")
    header_seconds_max: float = setting(number(0.1, 600), 10.0, "Time for a request's head to arrive.")
    header_bytes_max: int = setting(whole(1024, MEBIBYTE), 32_768, "Size of a request's head.")
    header_fields_max: int = setting(whole(8, 10_000), 100, "Header fields of a request.")
    target_bytes_max: int = setting(whole(256, 65_536), 8_192, "Length of a request's path and query.")
    body_bytes_max: int = setting(whole(1024, 1024 * MEBIBYTE), 32 * MEBIBYTE, "Size of a request's body.")
    body_bytes_per_second_min: int = setting(whole(0, MEBIBYTE), 1_024, "Slowest rate a body may arrive at.")
    idle_seconds_max: float = setting(number(1, 86_400), 75.0, "Time a kept connection may wait for its next request.")
    write_buffer_bytes_max: int = setting(
        whole(4096, 64 * MEBIBYTE), 262_144, "Bytes held for a slow reader before its provider has to wait."
    )
    write_blocked_seconds_max: float = setting(
        number(1, 3_600), 60.0, "Time a reader may take nothing before it is cut."
    )
    drain_seconds_max: float = setting(number(0, 86_400), 600.0, "Time for streams to finish after SIGTERM.")


@dataclass(frozen=True, slots=True)
class Routing:
    """How endpoints are put in order, rested and tried again."""

    default_policy: str = setting(one_of(*POLICIES), "fastest", "Policy of calls without a tag, and of new users.")
    explore_share: float = setting(
        number(0, 0.2), 0.02, "Share of `fastest` calls that measure an endpoint not measured lately; 0 never does."
    )
    unpriced: str = setting(one_of("allow", "refuse"), "allow", "Whether endpoints without a known price may serve.")
    retry_share: float = setting(number(0, 1), 0.2, "Further tries allowed, as a share of calls in flight.")
    retries_min: int = setting(whole(0, 1_000), 3, "Further tries always allowed at once, however few calls there are.")
    breaker_failures: int = setting(whole(1, 1_000), 5, "Failures in a row that open an endpoint's breaker.")
    breaker_rest_seconds: float = setting(
        number(0.1, 3_600), 30.0, "First rest; each further one is longer by as much."
    )
    breaker_rest_seconds_max: float = setting(number(0.1, 86_400), 300.0, "Longest rest.")
    retry_after_seconds_max: float = setting(
        number(1, 86_400), 300.0, "Longest `Retry-After` of a provider that is believed; a longer one counts as absent."
    )


@dataclass(frozen=True, slots=True)
class Tokens:
    """The secrets that callers show."""

    prefix: str = setting(
        TOKEN_PREFIX, "wp_", "What new tokens begin with; `hf_wp_` for Hugging Face's own clients, which want `hf_`."
    )


@dataclass(frozen=True, slots=True)
class Errors:
    """How refusals and failures are written."""

    style: str = setting(
        one_of("waypost", "huggingface"), "waypost", "Our envelope, or Hugging Face's own words and shapes."
    )


@dataclass(frozen=True, slots=True)
class Store:
    """What outlives the process."""

    data_folder: str | None = setting(
        LINE, None, "Folder of database, catalogue and the owner's socket; unset: `waypost-data` in the current folder."
    )
    database: str | None = setting(
        DATABASE,
        None,
        "Postgres database instead of a SQLite file in that folder, such as `postgres://waypost@db.example.com/waypost`;"
        " needs `waypost[postgres]`. Its password is best left to `WAYPOST_DATABASE` or `PGPASSWORD`.",
    )


@dataclass(frozen=True, slots=True)
class Credits:
    """What calls are paid with. Every user and organisation has an account; amounts are USD."""

    included_usd_per_month: str = setting(
        USD, "5.00", "Credits that every user is given at the start of a UTC month; what is left of them ends with it."
    )
    organisation_included_usd_per_month: str = setting(USD, "0.00", "The same for every organisation.")
    low_usd: str = setting(USD, "1.00", "Below this much left, replies carry a warning (`X-HF-Warning`); 0: never.")
    webhook_secret_env: str | None = setting(
        VARIABLE, None, "Variable that holds the secret of `POST /api/webhooks/top-up`; unset: there is no such route."
    )

    def included(self, organisation: Organisation | None) -> int:
        """What a month brings to an organisation, or (None) to a user, in nano-USD."""
        if organisation is None:
            return nano_usd(self.included_usd_per_month)
        if organisation.included is not None:
            return organisation.included
        return nano_usd(self.organisation_included_usd_per_month)


@dataclass(frozen=True, slots=True)
class Waybills:
    """How long requests are remembered, and how much of them."""

    keep_days: int = setting(whole(1, 36_500), 90, "Age after which a waybill is deleted.")
    keep_rows_max: int = setting(whole(1_000, 10_000_000_000), 10_000_000, "Most waybills kept; the oldest go first.")
    bodies: bool = setting(
        FLAG, False, "Keep request and reply bodies too. They hold what people wrote: off by default."
    )


@dataclass(frozen=True, slots=True)
class Practice:
    """The built-in providers that need no key and no network."""

    enabled: bool | None = setting(FLAG, None, "Offer them; unset: only while no other provider is usable.")


@dataclass(frozen=True, slots=True)
class Proxy:
    """The way out to providers."""

    url: str = setting(PROXY_URL, "", "HTTP proxy for calls to providers (CONNECT for https); empty: none.")
    no_proxy: tuple[str, ...] = setting(list_of(LINE), (), "Hosts and domains that are called directly.")
    trusted: bool = setting(
        FLAG, False, "Let the proxy look names up; otherwise we do, check the address and send that to it."
    )
    trust_env: bool = setting(FLAG, False, "Take `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` where `url` is empty.")


@dataclass(frozen=True, slots=True)
class Log:
    """What the process writes to stderr."""

    level: str = setting(one_of("debug", "info", "warning", "error"), "info", "Least important lines that are written.")
    format: str = setting(one_of("human", "json"), "human", "Lines for people, or one JSON object a line.")


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Calls in OpenTelemetry's words for generative AI, sent to a collector of the operator's."""

    endpoint: str | None = setting(
        BASE_URL, None, "Collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`; unset: none is told."
    )
    interval_seconds: float = setting(number(0.1, 3_600), 15.0, "Time between two reports.")


SECTIONS: Final[dict[str, type]] = {
    "server": Server,
    "store": Store,
    "deadlines": DeadlineSettings,
    "routing": Routing,
    "tokens": Tokens,
    "errors": Errors,
    "credits": Credits,
    "waybills": Waybills,
    "practice": Practice,
    "proxy": Proxy,
    "log": Log,
    "telemetry": Telemetry,
}
"""Name in the file → shape."""
