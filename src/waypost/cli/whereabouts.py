"""Where the server is: `DATA/server.json`, which a server writes when it is ready and takes away when it ends."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any, Final, NamedTuple

from waypost.cli.options import Where, usage_error
from waypost.settings import Settings, load

FILE: Final = "server.json"


class Standing(NamedTuple):
    """A running server, as it described itself."""

    address: str
    pid: int
    practice: dict[str, str]
    """Practice providers and where each runs."""
    certificate: str | None = None
    """File of the certificate that the door shows."""
    database: str | None = None
    """The database that holds the data, without its password."""


class Destination(NamedTuple):
    """Where calls go."""

    base: str
    """`http://127.0.0.1:8080`"""
    here: Path | None = None
    """The data folder, where the server runs on it and it is ours to read."""
    standing: Standing | None = None


def settings_at(where: Where) -> Settings:
    """The settings as `waypost serve` would read them. Raises SettingsError."""
    overrides = {} if where.data is None else {"store.data_folder": str(where.data)}
    return load(where.config, os.environ, overrides)  # noqa: TID251 (the command line hands the environment on)


def destination(where: Where) -> Destination:
    """The address that was named, else that of the server on this data folder, else the one in the settings."""
    if where.url is not None:
        named = base_of(where.url)
        # A token of ours goes to our own server and to nobody else.
        local = _local(where) if where.token is None else None
        return local if local is not None and local.base == named else Destination(named)
    settings = settings_at(where)
    standing = read_standing(settings.data_folder)
    if standing is not None:
        return Destination(standing.address, settings.data_folder, standing)
    server = settings.server
    scheme = "https" if server.tls_cert_file else "http"
    return Destination(f"{scheme}://{shown_host(server.host)}:{server.port}")


def _local(where: Where) -> Destination | None:
    try:
        folder = settings_at(where).data_folder
    except Exception:  # noqa: BLE001 (an address was named: our own settings, good or bad, need not be there)
        return None
    standing = read_standing(folder)
    return Destination(standing.address, folder, standing) if standing is not None else None


def base_of(url: str) -> str:
    """An address as people paste it: `/v1` at its end, which SDKs want, is not part of it. Raises Stop."""
    base = url.strip().rstrip("/").removesuffix("/v1")
    base = base if "://" in base else f"http://{base}"
    if not base.startswith(("http://", "https://")):
        raise usage_error(f"{url!r} is no address of a Waypost.", "Write it like http://127.0.0.1:8080.")
    return base


def shown_host(host: str) -> str:
    """Where to call a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


def write_standing(folder: Path, standing: Standing) -> None:
    """Say where the server is. Complete or not there. Raises OSError."""
    write_private(folder / FILE, json.dumps(standing._asdict()))


def forget_standing(folder: Path, pid: int) -> None:
    """The server has ended; another one's file is left alone."""
    path = folder / FILE
    with suppress(OSError, ValueError, KeyError, TypeError):
        if json.loads(path.read_bytes())["pid"] == pid:
            path.unlink()


def read_standing(folder: Path) -> Standing | None:
    """The server that runs on the folder; None where none does, or the folder is not ours to read."""
    try:
        told: Any = json.loads((folder / FILE).read_bytes())
        address, pid = str(told["address"]), int(told["pid"])
        more = (told.get("certificate"), told.get("database"))
        standing = Standing(address, pid, dict(told.get("practice", {})), *more)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return standing if is_running(standing.pid) else None


def is_running(pid: int) -> bool:
    """Whether there is such a process, ours or another's."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def write_private(path: Path, text: str) -> None:
    """A file for this user alone, put in place in one go. Raises OSError."""
    descriptor, aside = mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
