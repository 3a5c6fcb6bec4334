"""Checks of the port: our server answers there, or it is free for one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from waypost.cli.checkup_parts import BAD, NOTE, OK, Check
from waypost.cli.exits import Stop
from waypost.cli.router_calls import Router, Token
from waypost.cli.whereabouts import Destination, Standing, read_standing, shown_host
from waypost.domain.problems import Problem
from waypost.settings import Settings


def check_port(settings: Settings) -> Iterator[Check]:
    """A server on this data folder, else room for one."""
    standing = read_standing(settings.data_folder)
    if standing is not None:
        yield _check_running(settings, standing)
        return
    host, port = settings.server.host, settings.server.port
    trouble = _cannot_listen(host, port)
    where = f"{shown_host(host)}:{port}"
    if trouble is None:
        yield Check("port", OK, f"no server runs on this data folder, and {where} is free for one")
    else:
        fix = "Stop who is there, or choose another with --port."
        yield Check("port", BAD, f"{where} cannot be listened on: {trouble}", fix)


def _check_running(settings: Settings, standing: Standing) -> Check:
    said = f"a server (pid {standing.pid}) answers at {standing.address}"
    try:
        Router(Destination(standing.address, settings.data_folder, standing), Token(None)).get("/ready")
    except Stop as stop:
        return Check("port", BAD, stop.message, f"Look at its log; kill {standing.pid} and start it again.")
    except Problem as problem:
        return Check("port", NOTE, f"{said}, and is not ready: {problem.message}")
    return Check("port", OK, said)


def _cannot_listen(host: str, port: int) -> str | None:
    """Why not; None where one could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
            sock.listen(1)
        except OSError as error:
            return os.strerror(error.errno or 0).lower() if error.errno and error.errno > 0 else str(error)
    return None
