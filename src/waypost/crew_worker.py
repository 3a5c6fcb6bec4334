"""A worker's process: `python -m waypost.crew_worker`, started by `crew_hands.py` with its orders on standard input."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from functools import partial

import msgspec
import uvloop

from waypost.app import Practice, ServingProcess
from waypost.crew import Shift, open_folder, stop_on_signals
from waypost.crew_hands import READY, WorkerOrders
from waypost.logs import log_to_stderr
from waypost.practice.profiles import catalogue_rows
from waypost.settings import load
from waypost.store.link import OwnerLink
from waypost.store.reader import Reader

OWNER_GONE_EXIT = 75


async def work(orders: WorkerOrders) -> int:
    """Serve on the inherited sockets until stopped; gives the exit code."""
    read = partial(load, orders.config, os.environ, orders.overrides)  # noqa: TID251 (handed on to the settings)
    gc.disable()  # as in the owner's process
    settings = read()
    log_to_stderr(settings.log.level, settings.log.format)
    stop = asyncio.Event()
    stop_on_signals(stop, again=stop.set)  # a terminal or systemd tells us too, and then our parent does
    books = await OwnerLink.connect(settings.data_folder)
    code = 0

    practice = None if orders.practice is None else Practice(*catalogue_rows(orders.practice))
    pepper = open_folder(settings.data_folder)
    serving = ServingProcess(settings, books, Reader(settings.data_folder, settings.store.database), pepper, practice)

    def owner_gone() -> None:
        """Nothing that ends from now on can be written down, so nothing is carried on."""
        nonlocal code
        code = OWNER_GONE_EXIT
        stop.set()
        serving.server.cut()

    books.on_owner_gone(owner_gone)
    sock, *neighbours = (socket.socket(fileno=number) for number in orders.listeners)
    await serving.listen(sock, neighbours)
    shift = Shift(serving, read, stop)
    # Should a terminal have been closed, then our parent ends and tells us.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, shift.look_again)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    await shift.work()
    await books.close()
    return code


if __name__ == "__main__":
    sys.exit(uvloop.run(work(msgspec.json.decode(sys.stdin.buffer.read(), type=WorkerOrders))))
