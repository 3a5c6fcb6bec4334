"""Nothing acknowledged is lost, however the process ends."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paid_calls import OPEN, balances, broken
from sample_bills import START_MS
from store_filer import CHARGE, GRANT

from waypost.store.owner import Owner
from waypost.store.reader import Reader
from waypost.store.sqlite.folder import open_reader

SUPPORT = Path(__file__).parents[2] / "support"
ROUND_MS = 1_000_000


@pytest.mark.timeout(900)
def test_what_was_acknowledged_survives_kill_nine(place, told, full, record_property):
    rounds = 200 if full else 10
    acknowledged: list[int] = []
    choose = random.Random()
    for number in range(rounds):
        acknowledged += file_until_killed(place, START_MS + number * ROUND_MS, choose.uniform(0.02, 0.4))
    asyncio.run(swept(told(place)))
    whole = Reader(*place)
    kept = {number for (number,) in whole.ask(lambda sql: sql.rows("SELECT id FROM calls"))}
    assert len(acknowledged) > rounds
    assert not set(acknowledged) - kept
    record_property("kill_nine", f"{rounds} kills, {len(acknowledged):,} acknowledged, 0 lost")
    assert whole.find(acknowledged[-1])["outcome"] == "delivered"
    paid = whole.ask(lambda sql: sql.rows("SELECT id, charge_nano_usd FROM calls WHERE state = 1"))
    assert {CHARGE} == {charge for number, charge in paid}
    assert len(set(acknowledged) & {number for number, _ in paid}) > rounds
    assert whole.ask(broken) == []
    assert whole.ask(lambda sql: sql.value(OPEN)) == 0
    left = sum(GRANT for _ in range(rounds)) - CHARGE * len(paid)
    assert whole.ask(balances)["user:1"] == left
    whole.close()
    if place.database is None:
        reader = open_reader(place.folder)
        assert reader.execute("PRAGMA integrity_check").get == "ok"
        reader.close()


async def swept(settings) -> None:
    """The next start ends what was left open."""
    await Owner(settings).close()


def file_until_killed(place, start_ms: int, seconds: float) -> list[int]:
    process = subprocess.Popen(
        [sys.executable, str(SUPPORT / "store_filer.py"), str(place.folder), str(start_ms), place.database or ""],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(SUPPORT)},
    )
    first = process.stdout.readline()  # it has started
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    lines = (first + rest).split(b"\n")
    return [int(line) for line in lines[:-1]]  # the last may be cut
