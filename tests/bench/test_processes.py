from __future__ import annotations

import os
import subprocess
import sys

import pytest
from bench.processes import clock_seconds, cpu_seconds, family, resident_bytes

BUSY = """
import subprocess, sys, threading, time
def work():
    while time.thread_time() < 0.2:
        pass
thread = threading.Thread(target=work)
thread.start()
thread.join()
child = subprocess.Popen([sys.executable, "-c", "print('here', flush=True); input()"])
sys.stdin.readline()
child.wait()
"""


@pytest.mark.parametrize(
    ("text", "seconds"), [("0:01.25", 1.25), ("  12:00.50\n", 720.5), ("01:02:03", 3723), ("2-00:00:01", 172_801)]
)
def test_the_clock_of_ps_is_read(text, seconds) -> None:
    assert clock_seconds(text) == seconds


def test_time_of_threads_that_ended_and_memory_of_children_are_counted() -> None:
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"here\n"
        pids = family(process.pid)
        assert len(pids) == 2
        assert 0.2 <= cpu_seconds([process.pid]) < 10
        assert resident_bytes(pids) > resident_bytes([process.pid]) > 1_000_000
    finally:
        process.communicate(b"\n\n", timeout=10)


def test_our_own_time_is_what_the_system_says_it_is() -> None:
    before = sum(os.times()[:2])
    assert before - 0.02 <= cpu_seconds([os.getpid()]) <= sum(os.times()[:2]) + 0.02
